"""run → step → (ask the model; gate, record, run, record each tool call)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from watchdogd.core.conversation import (
    Block,
    Conversation,
    Message,
    ToolUse,
    conversation_digest,
    result,
    unanswered,
    with_user,
)
from watchdogd.core.errors import ModelError, RecordFenced, RecordFull, ToolError
from watchdogd.core.events import (
    HEAD_CHARS,
    Args,
    Body,
    Held,
    ModelCalled,
    ModelStarted,
    ProviderError,
    Released,
    RunFinished,
    ToolFinished,
    ToolIntended,
    Usage,
)
from watchdogd.core.ids import canonical
from watchdogd.core.lifecycle import Run, Started
from watchdogd.ports import Clock, Model, ModelReply, ModelRequest, Record
from watchdogd.worker.checkpoints import Checkpoints
from watchdogd.worker.control import Controller
from watchdogd.worker.conversations import conversation_of, message_key
from watchdogd.worker.gate import LARGEST_ARGS_BYTES, Gate, Overtaken, Passed, Refused, Replied
from watchdogd.worker.journal import Journal
from watchdogd.worker.spending import Affords, affordable
from watchdogd.worker.tools.call import Outcome
from watchdogd.worker.tools.toolbox import Toolbox

BACKOFF_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Pauses after provider errors in a row (seconds); the last one repeats."""
RETRY_AFTER_AT_MOST_S = 300.0
"""A provider may ask for hours; the worker tries again after this (seconds)."""
HOPELESS_AFTER = 3
"""Requests in a row that the provider calls wrong (400): asking the same again cannot help."""
STUCK_REPLIES = 5
"""Replies in a row that are refused, cut or empty of calls and of an end."""
DISK_RETRY_S = 1.0
LAUNCH_LOOK_S = 1.0
"""How often a launch under way is looked at (seconds)."""

Outcome_ = Literal["done", "failed", "stopped", "gave_up", "budget"]


class Drained(Exception):
    """The run is on disk and goes on with the next start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mind:
    """How the model is asked."""

    model: Model
    name: str
    system: Callable[[Run], str]
    max_tokens: int
    deadline_s: float
    effort: str | None
    price: Callable[[str, Usage], float | None]
    affords: Affords


class Runner:
    """Carries one run to its end; everything it needs to go on after a crash is on disk."""

    def __init__(
        self,
        *,
        mind: Mind,
        gate: Gate,
        journal: Journal,
        record: Record,
        toolbox: Callable[[Run], Toolbox],
        clock: Clock,
        control: Controller,
        checkpoints: Checkpoints,
    ) -> None:
        self._mind, self._gate, self._journal, self._record = mind, gate, journal, record
        self._toolbox, self._clock, self._control = toolbox, clock, control
        self._checkpoints = checkpoints
        gate.before_start = checkpoints.before
        gate.over = lambda: self.run_now is not None and self._must_end() is not None
        self.run_now: Run | None = None
        self.draining = False
        self.executing = False
        """A tool call is running."""
        self._conversation: Conversation = ()

    async def carry_out(self, run: Run) -> RunFinished:
        """Works on ``run`` until it is over.

        Raises:
            Drained: told to end; the run stays open on disk.
            RecordFenced: another worker has taken over.
        """
        self._conversation = conversation_of(self._record, run.id)
        self.run_now = run
        while True:
            try:
                ended = await self._turn()
            except RecordFull as why:
                if self._run.dry_run:  # its copy may be what fills the disk, and holding would keep it
                    return self._over("failed", f"the disk is full: {why}")
                await self._until_writable(str(why))
                self._conversation = conversation_of(self._record, self._run.id)
                continue
            except Overtaken:  # the next turn says why
                continue
            if ended is not None:
                return ended

    @property
    def _run(self) -> Run:
        if self.run_now is None:
            raise RuntimeError("no run")
        return self.run_now

    def _key(self, index: int) -> str:
        return message_key(self._run.id, index)

    # --- one turn ---

    async def _turn(self) -> RunFinished | None:
        if self.draining:
            raise Drained
        self._refresh()
        ended = self._must_end()
        if ended is not None:
            return ended
        await self._gate.boundary(floor=not self._run.dry_run)
        if self.draining:
            raise Drained
        self._refresh()
        ended = self._must_end()  # time passed while it held
        if ended is not None:
            return ended
        uses = unanswered(self._conversation)
        if uses:
            await self._call(uses[0])
            return None
        if await self._checkpoints.at_boundary(self._run):
            return None
        self._take_in_what_was_said()
        if self._conversation[-1].role == "assistant":
            return await self._claimed()
        return await self._think()

    def _refresh(self) -> None:
        """Takes over what orders wrote into the run."""
        stored = self._record.load(Run, "run/current")
        if stored is not None and stored.id == self._run.id and stored.stop:
            self.run_now = replace(self._run, stop=stored.stop)

    def _must_end(self) -> RunFinished | None:
        run, mission = self._run, self._run.mission
        if run.stop:
            return self._over("stopped", run.stop)
        if run.dry_run and (why := self._gate.also_hold()):
            return self._over("failed", why)
        left_usd, left_tokens = run.left_usd(), run.left_tokens()
        if left_usd is not None and left_usd <= 0:
            return self._over("budget", f"the budget of ${mission.budget_usd:.2f} is spent")
        if left_tokens is not None and left_tokens <= 0:
            return self._over("budget", f"the budget of {mission.budget_tokens} tokens is spent")
        if run.unpriced and mission.budget_usd is not None:
            return self._over("budget", "a call's price is unknown, so the money budget cannot be kept")
        if run.step >= mission.max_steps:
            return self._over("gave_up", f"{run.step} steps are the limit")
        if mission.deadline_s is not None and self._clock.wall() - run.started_at > mission.deadline_s:
            return self._over("gave_up", f"the deadline of {mission.deadline_s:.0f} s has passed")
        if run.refusals >= STUCK_REPLIES:
            return self._over("gave_up", f"{run.refusals} replies in a row led nowhere ({run.stop_reason})")
        return None

    def _over(self, outcome: Outcome_, reason: str) -> RunFinished:
        cost = None if self._run.unpriced else round(self._run.spent_usd, 6)
        return RunFinished(outcome=outcome, reason=reason, cost_usd=cost, steps=self._run.step)

    # --- the model ---

    async def _think(self) -> RunFinished | None:
        run = replace(self._run, step=self._run.step + 1)
        self.run_now = run
        self._journal.step = run.step
        system = self._mind.system(run)
        request = ModelRequest(
            model=self._mind.name,
            system=system,
            conversation=self._conversation,
            tools=self._toolbox(run).specs(),
            max_tokens=self._mind.max_tokens,
            deadline_s=self._mind.deadline_s,
            effort=self._mind.effort,
        )
        within = affordable(request, run, self._mind.affords)
        if isinstance(within, str):
            return self._over("budget", within)
        prompt = conversation_digest(system, self._conversation)
        call = f"m{self._journal.head + 1}"
        try:
            reply = await self._ask(within, prompt, call)
        except ModelError as why:  # only the veto comes through: nothing was sent
            return self._over("budget", str(why))
        if reply is not None:
            self._keep(reply, prompt, call)
        return None

    async def _ask(self, request: ModelRequest, prompt: str, call: str) -> ModelReply | None:
        attempt, hopeless = 0, 0
        while True:
            attempt += 1
            self._journal.append(
                ModelStarted(call=call, model=request.model, prompt_digest=prompt, deadline_s=request.deadline_s)
            )
            try:
                return await self._mind.model.ask(request)
            except ModelError as why:
                if why.kind == "budget":  # asking again would not be cheaper
                    raise
                hopeless = hopeless + 1 if why.kind == "request" else 0
                pause = self._pause(attempt, why)
                over = hopeless >= HOPELESS_AFTER
                self._journal.append(
                    ProviderError(
                        error=why.kind,
                        status=why.status,
                        text=str(why)[:2_000],
                        attempt=attempt,
                        retry_in_s=None if over else pause,
                    )
                )
                if over:
                    self._save(replace(self._run, refusals=STUCK_REPLIES, stop_reason=f"provider: {why}"[:300]))
                    return None
                await self._clock.sleep(pause)
                self._refresh()
                if self._must_end() is not None or self.draining:
                    return None
                await self._gate.boundary()

    @staticmethod
    def _pause(attempt: int, why: ModelError) -> float:
        own = BACKOFF_S[min(attempt, len(BACKOFF_S)) - 1]
        if why.retry_after_s is None:
            return own
        return min(max(own, why.retry_after_s), RETRY_AFTER_AT_MOST_S)

    def _keep(self, reply: ModelReply, prompt: str, call: str) -> None:
        """The reply, its cost and the event, in one transaction."""
        cost = self._mind.price(reply.model, reply.usage)
        usage = reply.usage
        tokens = usage.input_tokens + usage.output_tokens + usage.cache_write_tokens + usage.cache_read_tokens
        silent = not reply.tool_uses and not reply.text.strip()
        said = (
            "empty" if silent and reply.stop_reason == "end_turn" else reply.stop_reason
        )  # saying nothing claims nothing
        led_nowhere = not reply.tool_uses and said != "end_turn"
        run = replace(
            self._run,
            messages=len(self._conversation) + 1,
            spent_usd=self._run.spent_usd + (cost or 0.0),
            tokens=self._run.tokens + tokens,
            unpriced=self._run.unpriced or cost is None,
            refusals=self._run.refusals + 1 if led_nowhere else 0,
            stop_reason=said,
        )
        message = Message(role="assistant", content=reply.content)
        with self._journal.transaction() as writing:
            writing.event(
                ModelCalled(
                    call=call,
                    model=reply.model,
                    text=self._journal.text(reply.text),
                    stop_reason=reply.stop_reason,
                    usage=usage,
                    cost_usd=cost,
                    latency_s=round(reply.latency_s, 4),
                    prompt_digest=prompt,
                    tool_calls=len(reply.tool_uses),
                )
            )
            writing.put(self._key(len(self._conversation)), message)
            writing.put("run/current", run)
        self._conversation = (*self._conversation, message)
        self.run_now = run

    def _save(self, run: Run) -> None:
        with self._journal.transaction() as writing:
            writing.put("run/current", run)
        self.run_now = run

    # --- what people and the overseer said ---

    def _take_in_what_was_said(self) -> None:
        """Moves nudges and messages into the conversation, once."""
        said = self._record.scan(dict, "say/")
        if not said:
            return
        blocks = [{"type": "text", "text": str(one.get("text", ""))} for _, one in said]
        self._extend(blocks, drop=[key for key, _ in said])

    def _extend(
        self,
        blocks: Sequence[Block],
        *,
        drop: Sequence[str] = (),
        finished: ToolFinished | None = None,
        also: Sequence[Body] = (),
    ) -> None:
        """Adds user blocks to the conversation, with the event and the cells that belong to them, in one go."""
        conversation = with_user(self._conversation, blocks)
        index = len(conversation) - 1
        run = replace(self._run, messages=len(conversation))
        with self._journal.transaction() as writing:
            for body in also:
                writing.event(body)
            if finished is not None:
                writing.event(finished)
                writing.drop("call/current")
            writing.put(self._key(index), conversation[index])
            writing.put("run/current", run)
            for key in drop:
                writing.drop(key)
        self._conversation, self.run_now = conversation, run

    # --- calls ---

    async def _call(self, use: ToolUse) -> None:
        try:
            verdict = await self._gate.admit(self._run, use)
        except ToolError as why:
            self._journal.append(
                ToolIntended(call=use.id, tool=use.name[:200], args=shortened(use.args), summary=use.name[:200])
            )
            text = f"error: {why}"
            self._extend(
                [result(use.id, text, is_error=True)],
                finished=ToolFinished(
                    call=use.id, tool=use.name, outcome="error", error_class="invalid", result=self._journal.text(text)
                ),
            )
            return
        match verdict:
            case Refused(text=text):
                self._extend([result(use.id, text, is_error=True)])
            case Replied(text=text):
                self._extend([result(use.id, text, is_error=False)])
            case Passed():
                outcome = await self._execute(verdict)
                if outcome is not None:
                    await self._on_disk(lambda: self._take_in(use, outcome))

    def _take_in(self, use: ToolUse, outcome: Outcome) -> None:
        blocks = [result(use.id, outcome.text, is_error=not outcome.ok)]
        self._extend(blocks, finished=self._finished(use, outcome), also=outcome.events)

    async def _execute(self, passed: Passed) -> Outcome | None:
        """Runs an admitted call; None = it never began (the launcher saw the lease's end), so it is gated anew."""
        call, stage = passed.call, passed.stage
        toolbox = stage.toolbox if stage is not None else self._toolbox(self._run)
        running = toolbox.run(call, until_boot_s=passed.until_boot_s, launched=self._control.launch_over)
        self.executing = True
        try:
            try:
                outcome = await self._watched(running)
            finally:
                self.executing = False
                self._control.call_over()
            if stage is not None and not outcome.aborted:
                outcome = await stage.ended(outcome)
        finally:
            if stage is not None:
                await stage.discard()
        if outcome.aborted:
            why = "the lease ended before the call could begin"
            await self._on_disk(lambda: self._gate.never_ran(self._run, passed.started, why))
            return None
        return outcome

    async def _watched(self, running: Coroutine[object, object, Outcome]) -> Outcome:
        """``running``'s outcome; a launcher that was frozen before it could look at its deadline is killed."""
        task = asyncio.get_running_loop().create_task(running, name="tool")
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LAUNCH_LOOK_S if self._control.launching else None)
                if self._control.launch_dead and not task.done():
                    task.cancel()
                    await asyncio.wait({task})
            if task.cancelled():
                return Outcome(
                    ok=False,
                    text="its launcher was killed before it could be seen to start",
                    aborted=False,
                    error_class="launcher",
                )
            return task.result()
        finally:
            await over(task)

    def _finished(self, use: ToolUse, outcome: Outcome) -> ToolFinished:
        return ToolFinished(
            call=use.id,
            tool=use.name,
            outcome="ok" if outcome.ok else "error",
            error_class=outcome.error_class,
            status=outcome.status,
            exit_code=outcome.exit_code,
            result=self._journal.text(outcome.text),
            duration_s=round(outcome.duration_s, 4),
            changed=outcome.changed,
        )

    # --- the end of a turn ---

    async def _claimed(self) -> RunFinished | None:
        """The model called for nothing more: is it done?"""
        run = self._run
        if run.stop_reason != "end_turn":
            self._extend([{"type": "text", "text": self._go_on(run.stop_reason)}])
            return None
        if not run.mission.done_when:
            return self._over("done", "the model says so; no done_when is set")
        use = ToolUse(
            id=f"done-{run.done_checks + 1}-{run.step}", name="shell", args={"command": run.mission.done_when}
        )
        outcome = await self._check(use)
        if outcome is None:
            return None
        if outcome.ok and outcome.exit_code == 0:  # test and grep answer with 1, which is no error and still a no
            return self._over("done", f"done_when passed: {run.mission.done_when}")
        run = replace(self._run, done_checks=run.done_checks + 1)
        self._save(run)
        if run.done_checks >= run.mission.done_attempts:
            return self._over("failed", f"done_when failed {run.done_checks} times: {_last_line(outcome.text)}")
        self._extend(
            [{"type": "text", "text": f"The check `{run.mission.done_when}` fails, so it is not done:\n{outcome.text}"}]
        )
        return None

    async def _check(self, use: ToolUse) -> Outcome | None:
        try:
            verdict = await self._gate.admit(self._run, use, by_mission=True)
        except ToolError as why:  # without a shell there is no check, and without its check nothing is done
            return Outcome(ok=False, text=str(why), error_class="invalid")
        match verdict:
            case Refused(text=text):
                return Outcome(ok=False, text=text, error_class="refused")
            case Replied(text=text):
                return Outcome(ok=False, text=text, error_class="refused")
            case Passed():
                outcome = await self._execute(verdict)
                if outcome is not None:
                    await self._on_disk(lambda: self._note_check(use, outcome))
                return outcome

    def _note_check(self, use: ToolUse, outcome: Outcome) -> None:
        with self._journal.transaction() as writing:
            for body in outcome.events:
                writing.event(body)
            writing.event(self._finished(use, outcome))
            writing.drop("call/current")

    @staticmethod
    def _go_on(stop_reason: str) -> str:
        match stop_reason:
            case "max_tokens" | "model_context_window_exceeded":
                return "Your reply was cut at its length limit. Go on in smaller pieces."
            case "refusal":
                return "The provider refused that reply. Go on with the task in another way, or say why you cannot."
            case _:
                return "Go on."

    async def _on_disk(self, write: Callable[[], None]) -> None:
        """Carries out ``write`` once the disk takes it: a call whose end was forgotten would be made a second time."""
        while True:
            try:
                write()
            except RecordFull as why:
                if self._run.dry_run:
                    raise
                await self._until_writable(str(why))
            else:
                return

    async def _until_writable(self, why: str) -> None:
        """The disk refuses: holds, says so as soon as it can, and goes on when there is room."""
        began = self._clock.boot()
        self._gate.hold = f"the record cannot be written: {why}"
        self._gate.on_change()
        while True:
            await self._clock.sleep(DISK_RETRY_S)
            try:
                self._journal.append(Held(why="disk", text=why))
                self._journal.append(Released(why="disk", held_s=round(self._clock.boot() - began, 1)))
            except RecordFenced:
                raise
            except RecordFull:
                continue
            self._gate.hold = ""
            self._gate.on_change()
            return


async def over(task: asyncio.Task[Outcome]) -> None:
    """Cancels ``task`` and waits for its end, however often this is cancelled meanwhile: its tool must be gone."""
    again: asyncio.CancelledError | None = None
    if not task.done():
        task.cancel()
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as cancelled:
            again = cancelled
    if again is not None:
        raise again


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def shortened(args: Args) -> Args:
    """``args`` as they are recorded for a call that was not even prepared: cut where they would not fit."""
    text = canonical(dict(args))
    return args if len(text) <= LARGEST_ARGS_BYTES else {"cut": text[:HEAD_CHARS], "bytes": len(text)}


def in_doubt(started: Started) -> str:
    """What the model is told of a call whose end nobody saw."""
    return (
        f"in doubt: this call ({started.summary or started.tool}) was started, and the worker was interrupted before "
        "it saw the end. It may have happened wholly, partly or not at all. Look before you repeat it."
    )
