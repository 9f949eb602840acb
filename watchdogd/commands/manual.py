"""What ``--help`` says below each command's options: examples, and what the exit statuses mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXAMPLES: Mapping[str, Sequence[str]] = {
    "demo": ("watchdogd demo", "watchdogd demo --keep /tmp/night"),
    "init": ("watchdogd init my-agent",),
    "check": ("watchdogd check", "watchdogd check --all", "watchdogd check --explain 'rm -r data'"),
    "run": ("watchdogd run", "watchdogd run --config /etc/watchdogd/watchdogd.toml"),
    "broker-config": ("watchdogd broker-config", "watchdogd broker-config --operator alice"),
    "notify": ("watchdogd notify the disk of the agent is full",),
    "version": ("watchdogd version",),
    "status": ("watchdogd status", "watchdogd status --user alice", "watchdogd status --json | jq .health"),
    "watch": ("watchdogd watch", "watchdogd watch --json | jq .headline"),
    "escalations": ("watchdogd escalations", "watchdogd escalations --json | jq '.[].id'"),
    "checkpoints": ("watchdogd checkpoints",),
    "approve": ("watchdogd approve q13", "watchdogd approve q13 take the file of Monday"),
    "deny": ("watchdogd deny q13 keep raw/",),
    "ack": ("watchdogd ack n7",),
    "pause": ("watchdogd pause look at that first",),
    "resume": ("watchdogd resume", "watchdogd resume p31 --say 'use the file of Monday'"),
    "nudge": ("watchdogd nudge look at the header of the file",),
    "stop": ("watchdogd stop that will do",),
    "run-mission": ("watchdogd run-mission weekly --dry-run", "watchdogd run-mission weekly"),
    "rollback": ("watchdogd rollback c78", "watchdogd rollback c78 --yes --reason 'wrong table'"),
    "level": ("watchdogd level observe",),
    "label": ("watchdogd label n7 false-alarm", "watchdogd label progress/identical-call right"),
    "replay": ("watchdogd replay STATE", "watchdogd replay runs.jsonl.gz --html page.html"),
    "bench": ("watchdogd bench runs.jsonl.gz", "watchdogd bench runs.jsonl.gz --sweep progress.repeat_warn=3,4,6"),
    "drill": ("watchdogd drill healthy.jsonl.gz", "watchdogd drill healthy.jsonl.gz --fault exact-loop --seed 7"),
}
"""By command; each can be typed as it stands, with names of one's own."""

_ASKING = "0 it was done; 1 it was refused; 2 typed or configured wrongly; 4 there is no daemon"
_READING = "0 all was read; 1 some recordings could not be read; 2 none could, or typed or configured wrongly"
STATUSES: Mapping[str, str] = {
    "demo": "0 everything ended as it should; 1 it did not; 130 ended by Ctrl-C",
    "init": "0 written, or there already; 2 it cannot be written, or something else is there",
    "check": "0 valid, warnings or not; 2 it cannot be used: a line on stderr for each problem",
    "run": "0 ended in order; 1 it could not run (broker, disk); 2 the configuration, or a key, is wrong or missing",
    "broker-config": "0 printed; 2 typed or configured wrongly",
    "notify": "0 the command was told; 1 it failed, or none is configured; 2 typed or configured wrongly",
    "version": "0",
    "status": "the health: 0 ok, 1 warn, 2 crit, 3 unknown; 4 there is no daemon. Typed or configured wrongly: 2",
    "watch": "0 ended by Ctrl-C; 2 typed or configured wrongly; 4 there is no daemon",
    "escalations": "0 also when nothing waits; 2 typed or configured wrongly; 4 there is no daemon",
    "checkpoints": "0 also when there is none; 2 typed or configured wrongly; 4 there is no daemon",
    "run-mission": "0 queued, or with --dry-run: ended with its work done; 1 refused, or ended otherwise; "
    "2 typed or configured wrongly; 3 the dry run is over and its end was not seen; 4 no daemon; 130 Ctrl-C",
    "rollback": "0 returned; 1 refused, or not confirmed: nothing was changed; 2 typed or configured wrongly; "
    "4 there is no daemon",
    **dict.fromkeys(("approve", "deny", "ack", "pause", "resume", "nudge", "stop", "level", "label"), _ASKING),
    **dict.fromkeys(("replay", "bench", "drill"), _READING),
}

PIPED = "On a terminal: text and tables. Piped, or with --json: JSON."
SAYS_JSON_WHEN_PIPED = frozenset({"check", "status", "escalations", "checkpoints"})


def epilog(command: str) -> str:
    """Examples and exit statuses of ``command``, a paragraph a line."""
    said = [PIPED] if command in SAYS_JSON_WHEN_PIPED else []
    said += ["Examples:", *(f"  {one}" for one in EXAMPLES[command]), f"Exit status: {STATUSES[command]}."]
    return "\n\n".join(said)
