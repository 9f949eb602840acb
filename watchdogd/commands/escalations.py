"""escalations: what waits for people, each question with the exact action it is about."""

from __future__ import annotations

import asyncio
import json

from rich.console import Console
from rich.markup import escape

from watchdogd.commands.asking import AsJson, Config, StateDir, User
from watchdogd.commands.client import Client, connection_in, is_terminal, state_dir_of
from watchdogd.commands.status import COLOUR, answers, clock_time
from watchdogd.core.escalation import ApproveCall, AskedByWorker, Escalation, ReleaseLatch
from watchdogd.settings.model import LOCAL_OPERATOR
from watchdogd.wire import codec


def escalations(
    config: Config = None,
    state_dir: StateDir = None,
    user: User = LOCAL_OPERATOR,
    as_json: AsJson = False,
) -> None:
    """List what waits for people, each question with the exact action it is about."""
    client = Client(connection_in(state_dir_of(config, state_dir)), user)
    found = asyncio.run(client.retained()).escalations()
    if as_json or not is_terminal():
        print(json.dumps([codec.dump(one) for one in found], indent=2))
        return
    out = Console(highlight=False)
    if not found:
        out.print("nothing waits for you")
    for one in found:
        out.print(
            f"[{COLOUR[one.severity]} bold]{one.id}[/]  {clock_time(one.opened_at)}  {escape(one.headline)}",
            soft_wrap=True,
        )
        for line in about(one):
            out.print(f"    {escape(line)}", soft_wrap=True)


def about(one: Escalation) -> list[str]:
    """What a person needs to decide, line by line."""
    lines = []
    match one.subject:
        case ApproveCall(shown=shown, action_digest=digest, reason=reason):
            lines += [*shown.splitlines(), f"asked because {reason}" if reason else "", f"action {digest[:16]}"]
        case ReleaseLatch(latch=latch):
            lines.append(f"paused under {latch}")
        case AskedByWorker(question=question, options=options):
            lines += [question, *(f"  - {option}" for option in options)]
        case None:
            pass
    if one.evidence:
        lines.append(f"evidence: event {', '.join(str(seq) for seq in one.evidence)}")
    if one.expires_at is not None:
        lines.append(f"expires {clock_time(one.expires_at)}; unanswered means no")
    lines.append("answer with: " + ", or ".join(f"watchdogd {answer}" for answer in answers(one)))
    return [line for line in lines if line]
