"""The gate: what stands between a call the model wants and its effect (DESIGN 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from watchdogd.core.access import (
    Act,
    Allow,
    Approval,
    Ask,
    Bounds,
    Budget,
    Deny,
    Preview,
    Ruling,
    only_previews,
    rule,
)
from watchdogd.core.conversation import ToolUse
from watchdogd.core.errors import SnapshotError, ToolError
from watchdogd.core.escalation import SHOWN_LIMIT
from watchdogd.core.events import Args, Gated, Held, Impact, Released, ToolFinished, ToolIntended, ToolStarted
from watchdogd.core.ids import canonical
from watchdogd.core.lease.messages import AnswerOrder, Mode
from watchdogd.core.lease.worker import Wait
from watchdogd.core.lifecycle import Asked, Run, Started
from watchdogd.ports import Clock, Record
from watchdogd.worker.control import Controller
from watchdogd.worker.journal import Journal
from watchdogd.worker.preview import Stage
from watchdogd.worker.tools.call import Call
from watchdogd.worker.tools.toolbox import ASK, Toolbox

LARGEST_ARGS_BYTES = 96 * 1024
"""Of a call's arguments as JSON: the event that carries them must fit on the bus (256 KiB) beside a question's text."""
SAY_HELD_AFTER_S = 2.0
"""A wait shorter than this is the protocol's ordinary round trip and no event (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The call may run now: its start is on disk and the second look found nothing."""

    call: Call
    started: Started
    until_boot_s: float
    stage: Stage | None = None
    """The throw-away copy it has to run in; None = where its run's calls run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The call will not run; ``text`` tells the model why and what it may do instead."""

    text: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """People answered the question the model asked; nothing had to run."""

    text: str


Verdict: TypeAlias = Passed | Refused | Replied


def act_of(call: Call) -> Act:
    """``call`` as the rules weigh it."""
    command = call.use.args.get("command")
    return Act(
        tool=call.use.name,
        impact=call.impact,
        action_digest=call.action_digest,
        text=command if isinstance(command, str) else canonical(dict(call.use.args)),
        writes=call.writes,
        hosts=call.hosts,
        dangers=call.dangers,
        asks_people=call.use.name == ASK,
    )


async def _nothing(run: Run, call: Call) -> None:
    del run, call


def _looking_only(call: Call) -> Call:
    """``call`` with the workspace read-only."""
    profile = call.profile
    return call if profile is None else replace(call, profile=replace(profile, writable=False))


def fits(args: Args) -> None:
    """Refuses arguments that could not be recorded and shown whole. Raises: ToolError."""
    size = len(canonical(dict(args)))
    if size > LARGEST_ARGS_BYTES:
        raise ToolError(f"the arguments have {size} bytes, {LARGEST_ARGS_BYTES} are the limit: use smaller calls")


class Overtaken(Exception):
    """The run must end; what it waits for does not matter any more."""


class Gate:
    """Lets one call at a time through."""

    def __init__(
        self,
        *,
        control: Controller,
        journal: Journal,
        record: Record,
        toolbox: Callable[[Run], Toolbox],
        bounds: Callable[[Run], Bounds],
        clock: Clock,
        stage: Callable[[Run, Call], Awaitable[Stage]],
    ) -> None:
        self._control, self._journal, self._record = control, journal, record
        self._toolbox, self._bounds, self._clock = toolbox, bounds, clock
        self._stage = stage
        self._started: tuple[int, ...] = ()
        self.hold = ""
        """Why the worker holds just now, for its state topic."""
        self.asking = False
        self.on_change: Callable[[], None] = lambda: None
        self.before_start: Callable[[Run, Call], Awaitable[None]] = _nothing
        """What has to be done before an admitted call may change something (a checkpoint)."""
        self.over: Callable[[], bool] = lambda: False
        """Whether the run must end (its deadline has passed), so that nothing is waited for."""
        self.also_hold: Callable[[], str] = lambda: ""
        """A further reason to hold between steps (the disk floor); empty = none."""

    async def admit(self, run: Run, use: ToolUse, *, by_mission: bool = False) -> Verdict:
        """Waits until ``use`` may run, or is refused.

        Args:
            run: the run it belongs to.
            use: the call the model wants.
            by_mission: the operator configured this very command (``done_when``): levels do not apply to it.

        Raises:
            ToolError: no such tool, or arguments that do not fit.
            RecordError: the record refuses; nothing was started.
        """
        while True:
            fits(use.args)
            call = self._toolbox(run).prepare(use)
            if by_mission and call.profile is not None:  # the mission's own limit, shorter or longer than the tools'
                call = replace(call, profile=replace(call.profile, time_s=run.mission.done_timeout_s))
            intent = self._journal.append(
                ToolIntended(
                    call=use.id,
                    tool=use.name,
                    args=use.args,
                    impact=call.impact,
                    action_digest=call.action_digest,
                    summary=call.summary,
                    reasons=call.reasons,
                    writes=call.writes,
                )
            )
            verdict = await self._admit(run, call, intent, by_mission=by_mission)
            if verdict is not None:
                return verdict

    async def _admit(self, run: Run, call: Call, intent: int, *, by_mission: bool) -> Verdict | None:
        await self._until_open(call.impact, intent)
        ruling = self._rule(run, call, by_mission=by_mission)
        # In a dry run what is refused stays refused: nothing of it may leave its copy, whatever the mode.
        shadow = self._control.told.mode is Mode.SHADOW and not run.dry_run
        if shadow and not isinstance(ruling, Allow):
            self._say_shadow(call, ruling)
            ruling = Allow(why="shadow mode")
        elif not shadow and by_mission and isinstance(ruling, Allow) and only_previews(self._control.told.level):
            call = _looking_only(call)
        if call.use.name == ASK and isinstance(ruling, Allow):
            return await self._asked(run, call)
        match ruling:
            case Deny(by=by, reason=reason, instead=instead):
                return self._deny(call, by, reason, instead)
            case Ask(reason=reason):
                return await self._question(run, call, reason)
            case Preview() if run.dry_run:  # its toolbox is the copy's
                return self._start(run, call, intent, "")
            case Preview(why=why):
                return await self._previewed(run, call, intent, why)
            case Allow(approval=approval):
                await self.before_start(run, call)  # may take its time: the start looks at everything once more
                return self._start(run, call, intent, approval)

    def _rule(self, run: Run, call: Call, *, by_mission: bool) -> Ruling:
        approvals = [one for _, one in self._record.scan(Approval, f"approval/{run.id}/", limit=100_000)]
        return rule(
            act_of(call),
            level=self._control.told.level,
            bounds=self._bounds(run),
            approvals=approvals,
            budget=Budget(left_usd=run.left_usd(), left_tokens=run.left_tokens()),
            now=self._clock.wall(),
            dry_run=run.dry_run,
            by_mission=by_mission,
        )

    async def _until_open(self, impact: Impact, intent: int) -> None:
        """Latches and lease: waits as long as it takes."""
        began = self._clock.boot()
        told: Wait | None = None
        while (wait := self._control.may_start(impact, intent, self._started)) is not None:
            if told is None and self._clock.boot() - began >= SAY_HELD_AFTER_S:
                told = wait
                self._journal.append(Held(why=wait.by, text=wait.why))
            self._holding(wait.why if told is not None or wait.by == "latch" else self.hold)
            self._unless_over()
            await self._control.change(fast=wait.by in ("processing", "ahead"))
        self._holding("")
        if told is not None:
            self._journal.append(Released(why=told.by, held_s=round(self._clock.boot() - began, 3)))

    async def boundary(self, *, floor: bool = True) -> None:
        """Between steps: no latch, and a lease, before money is spent on the next one.

        Args:
            floor: hold on ``also_hold`` too.
        """
        began = self._clock.boot()
        told: Wait | None = None
        while (wait := self._control.second_look() or (self._floor() if floor else None)) is not None:
            if told is None and self._clock.boot() - began >= SAY_HELD_AFTER_S:
                told = wait
                self._journal.append(Held(why=wait.by, text=wait.why))
            self._holding(wait.why)
            self._unless_over()
            await self._control.change()
        self._holding("")
        if told is not None:
            self._journal.append(Released(why=told.by, held_s=round(self._clock.boot() - began, 3)))

    def _unless_over(self) -> None:
        if self.over():
            self._holding("")
            raise Overtaken

    def _floor(self) -> Wait | None:
        why = self.also_hold()
        return Wait(by="disk", why=why) if why else None

    def _holding(self, why: str) -> None:
        if why != self.hold:
            self.hold = why
        self.on_change()

    def _deny(self, call: Call, by: str, reason: str, instead: str) -> Refused:
        with self._journal.transaction() as writing:
            writing.event(
                Gated(
                    call=call.use.id,
                    tool=call.use.name,
                    outcome="deny",
                    by=by,
                    reason=reason,
                    instead=instead,
                    action_digest=call.action_digest,
                )
            )
            writing.event(
                ToolFinished(
                    call=call.use.id,
                    tool=call.use.name,
                    outcome="denied",
                    error_class=by,
                    result=self._journal.text(reason),
                )
            )
        hint = f" Instead: {instead}." if instead else ""
        return Refused(text=f"refused: {reason}.{hint}", by=by)

    def _say_shadow(self, call: Call, ruling: Ruling) -> None:
        outcome: Literal["deny", "ask", "preview"]
        match ruling:
            case Deny(by=by, reason=reason):
                outcome = "deny"
            case Ask(reason=reason):
                outcome, by = "ask", "level"
            case Preview(why=reason):
                outcome, by = "preview", "level"
            case _:
                return
        self._journal.append(
            Gated(
                call=call.use.id,
                tool=call.use.name,
                outcome=outcome,
                by=f"shadow:{by}",
                reason=f"{reason} (shadow mode: it runs)",
                action_digest=call.action_digest,
            )
        )

    # --- questions ---

    async def _question(self, run: Run, call: Call, reason: str) -> Verdict | None:
        """Asks people about this exact action; None = answered yes, the gate looks at it again."""
        if len(call.shown) > SHOWN_LIMIT:
            return self._deny(
                call,
                "approval",
                f"{reason}; {len(call.shown)} characters are too many for a person to approve",
                "do it in smaller calls that can be read",
            )
        answer = await self._answer(run, call, reason, options=())
        if answer.answer == "approved":
            return None
        why = "nobody answered in time" if answer.answer == "expired" else f"denied by {answer.by}"
        said = f": {answer.text}" if answer.text else ""
        return self._deny(call, "approval", f"{reason}; {why}{said}", "find a way that needs no approval, or ask")

    async def _asked(self, run: Run, call: Call) -> Replied:
        """The model's own question to people."""
        options = call.use.args.get("options")
        answer = await self._answer(
            run,
            call,
            str(call.use.args.get("question", "")),
            options=tuple(str(one) for one in options) if isinstance(options, list) else (),
        )
        match answer.answer:
            case "expired":
                text = "nobody answered in time; decide yourself what is safe, or leave it"
            case "approved":
                text = f"{answer.by} answered: {answer.text or 'yes'}"
            case _:
                text = f"{answer.by} answered: {answer.text or 'no'}"
        self._journal.append(
            ToolFinished(call=call.use.id, tool=call.use.name, outcome="ok", result=self._journal.text(text))
        )
        return Replied(text=text)

    async def _answer(self, run: Run, call: Call, reason: str, *, options: tuple[str, ...]) -> AnswerOrder:
        """Suspends until the question about ``call`` is answered; a question already asked is not asked again."""
        key = f"asked/{run.id}/{call.use.id}"
        asked = self._record.load(Asked, key)
        if asked is None or asked.action_digest != call.action_digest or self._spent(run, asked, call):
            asked = Asked(
                question=f"q{self._journal.head + 1}",
                call=call.use.id,
                run=run.id,
                action_digest=call.action_digest,
                asked_at=self._clock.wall(),
            )
            with self._journal.transaction() as writing:
                writing.event(
                    Gated(
                        call=call.use.id,
                        tool=call.use.name,
                        outcome="ask",
                        by="level" if call.use.name != ASK else "worker",
                        reason=reason,
                        question=asked.question,
                        action_digest=call.action_digest,
                        shown=call.shown,
                        options=options,
                    )
                )
                writing.put(key, asked)
        self.asking = True
        self.on_change()
        try:
            while (answer := self._answered(run, asked)) is None:
                self._unless_over()
                await self._control.change()
        finally:
            self.asking = False
            self.on_change()
        return answer

    def _spent(self, run: Run, asked: Asked, call: Call) -> bool:
        """Whether the question was answered by an approval that no longer opens the gate, so that it is asked anew.

        A denial, a timeout and the answer to the model's own question count also when they came while it was away.
        """
        answer = self._answered(run, asked)
        return answer is not None and answer.answer == "approved" and call.use.name != ASK

    def _answered(self, run: Run, asked: Asked) -> AnswerOrder | None:
        return self._record.load(AnswerOrder, f"answer/{run.id}/{asked.question}")

    # --- previews ---

    async def _previewed(self, run: Run, call: Call, intent: int, why: str) -> Verdict | None:
        """Lets ``call`` run in a throw-away copy; refused when there is none to be had."""
        try:
            stage = await self._stage(run, call)
        except SnapshotError as none:
            instead = "read what you need and describe the change you would make"
            return self._deny(call, "preview", f"{why}, and it cannot be previewed: {none}", instead)
        passed = None
        try:
            self._journal.append(
                Gated(
                    call=call.use.id,
                    tool=call.use.name,
                    outcome="preview",
                    by="level",
                    reason=why,
                    action_digest=call.action_digest,
                )
            )
            passed = self._start(run, call, intent, "", stage)
        finally:
            if passed is None:
                await stage.discard()
        return passed

    # --- the start ---

    def _start(self, run: Run, call: Call, intent: int, approval: str, stage: Stage | None = None) -> Passed | None:
        """Puts the start on disk, then looks once more; None = something changed, nothing ran, look again."""
        if self._toolbox(run).prepare(call.use).action_digest != call.action_digest:
            return None  # a file it names changed while it waited: it is looked at, and asked about, anew
        epoch, nonce = self._control.lease_name
        key = f"approval/{run.id}/{approval}"
        granted = self._record.load(Approval, key) if approval else None
        with self._journal.transaction() as writing:
            seq = writing.event(
                ToolStarted(
                    call=call.use.id,
                    tool=call.use.name,
                    action_digest=call.action_digest,
                    approval=approval,
                    lease_epoch=epoch,
                    lease_nonce=nonce,
                    deadline_s=call.profile.time_s if call.profile is not None else None,
                )
            )
            started = Started(
                call=call.use.id,
                tool=call.use.name,
                run=run.id,
                seq=seq,
                action_digest=call.action_digest,
                approval=approval,
                reading=call.impact is Impact.READ or stage is not None or run.dry_run,
                summary=call.summary,
            )
            writing.put("call/current", started)
            if granted is not None:
                writing.put(key, replace(granted, used=True))
        wait = self._control.second_look()
        if wait is not None:
            self.never_ran(run, started, f"{wait.by}: {wait.why}")
            return None
        self._started = (*(one for one in self._started if one > intent - 1_000), seq)
        self._control.launch_began()
        runs = stage.call if stage is not None else call
        return Passed(call=runs, started=started, until_boot_s=self._control.lease_until, stage=stage)

    def never_ran(self, run: Run, started: Started, why: str) -> None:
        """Records that a start came to nothing: an approval it had consumed is whole again."""
        key = f"approval/{run.id}/{started.approval}"
        granted = self._record.load(Approval, key) if started.approval else None
        with self._journal.transaction() as writing:
            writing.event(
                ToolFinished(
                    call=started.call,
                    tool=started.tool,
                    outcome="aborted",
                    error_class="lease",
                    result=self._journal.text(why),
                )
            )
            writing.drop("call/current")
            if granted is not None:
                writing.put(key, replace(granted, used=False))
