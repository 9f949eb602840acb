"""The texts models are told, loaded from the package and named by the digest of what they say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from watchdogd.core.errors import ConfigError, Problem
from watchdogd.core.health import Channel
from watchdogd.core.ids import digest
from watchdogd.core.lifecycle import Mission

WORKER = "worker"
JUDGE_GLANCE = "judge-glance"

SEEN_CHARS = 300
"""A finding's headline is cut here when it is told to the worker."""

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_JUDGED = re.compile(r"\A([a-z]+)/judged\Z")
_RULE = re.compile(r"\A([a-z]+)/([a-z0-9-]+)\Z")

_WORDS: Mapping[Channel, str] = {
    Channel.DRIFT: "direction",
    Channel.ERRORS: "errors",
    Channel.RECALL: "memory of what was done and decided",
    Channel.PROGRESS: "progress",
    Channel.SAFETY: "care",
    Channel.COST: "effort",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A text with its name and the sha256 of its template."""

    name: str
    text: str
    digest: str

    @property
    def placeholders(self) -> frozenset[str]:
        """What has to be filled in."""
        return frozenset(_PLACEHOLDER.findall(self.text))

    def filled(self, **values: str) -> str:
        """The text with every ``{name}`` replaced; braces inside the values are left alone.

        Raises:
            ValueError: a placeholder without a value, or a value without a placeholder.
        """
        if missing := sorted(self.placeholders ^ values.keys()):
            raise ValueError(f"prompt {self.name}: {', '.join(missing)} and its values do not match")
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self.text)


def plain_words(text: str) -> str:
    """``text`` as part of a nudge: one line, no tag that could end or imitate one, not too long."""
    line = " ".join(text.split()).replace("<", "‹").replace(">", "›").rstrip(".")
    return line if len(line) <= SEEN_CHARS else line[: SEEN_CHARS - 1] + "…"


def _listed(lines: tuple[str, ...], none: str) -> str:
    return "\n".join(f"* {' '.join(line.split())}" for line in lines) or none


class Prompts:
    """All texts of one version of watchdogd, or those of a directory put in their place."""

    def __init__(self, directory: Traversable | None = None) -> None:
        """Names the directory; reading is left to ``load``."""
        self._directory = directory or resources.files("watchdogd.prompts")
        self._prompts: dict[str, Prompt] = {}

    def load(self) -> Prompts:
        """Reads every ``*.md``; gives itself.

        Raises:
            ConfigError: a text is missing, empty, not UTF-8, or has a placeholder nobody fills.
        """
        found: dict[str, Prompt] = {}
        problems: list[Problem] = []
        for file in sorted(self._directory.iterdir(), key=lambda one: one.name):
            if not file.name.endswith(".md"):
                continue
            name = file.name.removesuffix(".md")
            try:
                text = file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as why:
                problems.append(Problem(file=str(file), line=0, key="", text=str(why)))
                continue
            found[name] = Prompt(name=name, text=text, digest=digest(text))
            if fault := _fault(found[name]):
                problems.append(Problem(file=str(file), line=0, key="", text=fault))
        wanted = [WORKER, JUDGE_GLANCE, "nudge-judged", *(f"nudge-{channel.value}" for channel in Channel)]
        problems += [
            Problem(file=f"{self._directory}/{name}.md", line=0, key="", text="missing")
            for name in wanted
            if name not in found and not any(problem.file.endswith(f"/{name}.md") for problem in problems)
        ]
        if problems:
            raise ConfigError(problems)
        self._prompts = found
        return self

    def digests(self) -> Mapping[str, str]:
        """The digest of every text, by name: what a record names a prompt by."""
        return {name: prompt.digest for name, prompt in self._prompts.items()}

    def named(self, name: str) -> Prompt:
        """The text called ``name``.

        Raises:
            KeyError: there is none.
        """
        return self._prompts[name]

    def worker(self, mission: Mission) -> str:
        """The worker's system prompt. It depends on the mission alone, so that the provider's cache holds."""
        protected = "Nothing in the workspace is write-protected beyond these rules."
        if mission.protect:
            paths = ", ".join(f"`{path}`" for path in mission.protect)
            protected = f"These paths in the workspace cannot be changed, by you or by anything you run: {paths}."
        done = "Nobody but you checks whether the mission is done, so check it well."
        if mission.done_when:
            done = f"The mission counts as done when this command succeeds in the workspace: `{mission.done_when}`"
        return self.named(WORKER).filled(
            goal=mission.goal.strip(),
            rules=_listed(mission.rules, "* (none beyond what follows from the goal)"),
            protected=protected,
            done=done,
        )

    def judge_glance(self) -> str:
        """The system prompt of the judge's glance."""
        return self.named(JUDGE_GLANCE).filled()

    def nudge(self, rule: str, seen: str) -> str:
        """What the worker is told about the finding ``rule``; ``seen`` is the detector's headline.

        What a judge found is told without its words: the judge's prose goes to people only.

        Raises:
            ValueError: not a rule id ``channel/name``.
        """
        judged, ruled = _JUDGED.match(rule), _RULE.match(rule)
        if ruled is None or ruled[1] not in {channel.value for channel in Channel}:
            raise ValueError(f"{rule!r} is not a rule id")
        if judged:
            return self.named("nudge-judged").filled(channel=_WORDS[Channel(judged[1])])
        exact = self._prompts.get(f"nudge-{ruled[1]}-{ruled[2]}")
        return (exact or self.named(f"nudge-{ruled[1]}")).filled(seen=plain_words(seen))


def _fault(prompt: Prompt) -> str:
    """Why ``prompt`` cannot be used; empty when it can."""
    if not prompt.text:
        return "empty"
    if prompt.name == WORKER:
        fills = frozenset({"goal", "rules", "protected", "done"})
    elif prompt.name == "nudge-judged":
        fills = frozenset({"channel"})
    elif prompt.name.startswith("nudge-"):
        fills = frozenset({"seen"})
    else:
        fills = frozenset()
    wrong = sorted(prompt.placeholders ^ fills)
    return f"placeholders must be {', '.join(sorted(fills)) or 'none'}; see {', '.join(wrong)}" if wrong else ""
