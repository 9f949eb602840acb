"""Small scenarios that several tests drive."""

from __future__ import annotations

import textwrap
import tomllib

from watchdogd.sim.scenario import Scenario
from watchdogd.sim.scenario_file import parse

PLAN = """
name = "test"

[[worker.turn]]
id = "look"
text = "I look around, and take my time to say so in more words than one piece of a stream holds."
calls = [{ tool = "shell", args = { command = "ls -la" } }, { tool = "view", args = { path = "a.txt" } }]
capture = { size = 'size (\\d+)' }
next = [
  { when = { denied = true }, go = "sorry" },
  { when = { nudged = true }, go = "heed" },
  { when = { visits = 3 }, go = "done" },
  { when = { result_matches = "size" }, go = "report" },
  { go = "look" },
]

[[worker.turn]]
id = "sorry"
text = "I may not do that."

[[worker.turn]]
id = "heed"
text = "You are right."

[[worker.turn]]
id = "report"
text = "It is {{size|?}} bytes."
next = [{ when = { user_says = "more" }, go = "done" }]

[[worker.turn]]
id = "done"
text = "All done."
"""


def scenario(plan: str = PLAN) -> Scenario:
    """The scenario in ``plan``."""
    return parse(tomllib.loads(textwrap.dedent(plan)), "test.toml")


FAULTY = """
name = "faulty"
[[worker.turn]]
id = "only"
text = "Now I clear the old build."
calls = [{ tool = "shell", args = { command = "rm -rf /srv/build/old-of-yesterday" } }]
next = "only"
faults = [{ kind = "%s", times = 2, retry_after_s = 86400 }]
"""
