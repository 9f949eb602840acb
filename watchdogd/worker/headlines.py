"""Each event in a few plain words."""

from __future__ import annotations

from typing import assert_never

from watchdogd.core import events as e
from watchdogd.core.counting import counted

SHORT = 160


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHORT else line[: SHORT - 1] + "…"


def _money(usd: float | None) -> str:
    return "cost unknown" if usd is None else f"${usd:.4f}"


def _of_model(body: e.ModelStarted | e.ModelCalled | e.ProviderError) -> str:
    match body:
        case e.ModelStarted():
            return f"asks {body.model}"
        case e.ModelCalled():
            return _short(body.text.head) or f"the model answered ({body.stop_reason}), {_money(body.cost_usd)}"
        case e.ProviderError():
            again = f", tries again in {body.retry_in_s:.0f} s" if body.retry_in_s is not None else ""
            return _short(f"the model's provider failed: {body.error}{again}")
        case _:
            assert_never(body)


def _of_call(body: e.ToolIntended | e.Gated | e.ToolStarted | e.ToolFinished | e.Previewed) -> str:
    match body:
        case e.ToolIntended():
            return _short(f"wants {body.summary or body.tool}")
        case e.Gated():
            return _short(f"{body.outcome}: {body.reason}")
        case e.ToolStarted():
            return f"runs {body.tool}"
        case e.ToolFinished():
            code = f", exit status {body.exit_code}" if body.exit_code else ""
            return _short(f"{body.tool}: {body.outcome}{code} {body.result.head if body.outcome != 'ok' else ''}")
        case e.Previewed():
            what = f"this {body.tool} call" if body.call else "the dry run"
            return _short(f"preview: {what} would have changed {body.summary if body.total != 0 else 'nothing'}")
        case _:
            assert_never(body)


def headline(event: e.Event) -> str:  # noqa: C901 - one line per kind
    """What happened, in one line for a person who sees nothing else."""
    body = event.body
    match body:
        case e.RunStarted():
            dry = "dry run" if body.dry_run else "run"
            return _short(f"{dry} of {body.mission} began ({body.trigger}): {body.goal}")
        case e.UserSaid():
            return _short(f"{body.who or 'user'}: {body.text.head}")
        case e.ModelStarted() | e.ModelCalled() | e.ProviderError():
            return _of_model(body)
        case e.ToolIntended() | e.Gated() | e.ToolStarted() | e.ToolFinished() | e.Previewed():
            return _of_call(body)
        case e.ContextEdited():
            return f"{body.cleared_tokens} tokens of old context cleared by {body.by}"
        case e.MemoryWritten():
            return f"memory: {body.path}"
        case e.CheckpointTaken():
            if not body.checkpoint:
                return _short(f"no checkpoint ({body.reason}): {body.why}")
            return f"checkpoint {body.checkpoint} ({body.reason}){'' if body.complete else f', incomplete: {body.why}'}"
        case e.RolledBack():
            return _short(_of_return(body))
        case e.Compared():
            return _short(f"checkpoint {body.checkpoint}: {body.text}")
        case e.Nudged():
            return _short(f"nudged: {body.text}")
        case e.Probed():
            return f"recall probe: {body.right} of {body.asked} right"
        case e.Held():
            return _short(f"holds: {body.text}")
        case e.Released():
            return f"goes on after {body.held_s:.0f} s"
        case e.Answered():
            return _short(f"question {body.question}: {body.answer}{' by ' + body.by if body.by else ''}")
        case e.Resources():
            children = counted(body.children, "child", "children")
            return f"cpu {body.cpu_percent:.0f} %, memory {body.rss_bytes // 1048576} MiB, {children}"
        case e.RunFinished():
            return _short(f"run ended: {body.outcome}. {body.reason}")
        case e.Tick():
            return "time passed"
        case _:
            assert_never(body)


def _of_return(body: e.RolledBack) -> str:
    if body.ok:
        moved = f"{counted(body.changed, 'path')} put back, {body.quarantined} moved to quarantine"
        return f"back at checkpoint {body.checkpoint}: {moved}; what was there is kept as {body.saved_as}"
    if body.at == "between":
        return f"the return to {body.checkpoint} cannot end yet and is tried again: {body.reason}"
    return f"no return to {body.checkpoint}, nothing was changed: {body.reason}"
