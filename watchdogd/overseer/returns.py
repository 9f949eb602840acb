"""Checkpoints as the overseer sees them: which passed inspection, where to return to, what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from watchdogd.core.checkpoint import (
    LONGEST_PAST,
    Known,
    Look,
    Past,
    Point,
    Retention,
    Return,
    contains,
    kept,
    standing,
    target,
)
from watchdogd.core.counting import counted
from watchdogd.core.errors import RequestRefused
from watchdogd.core.escalation import ReleaseLatch
from watchdogd.core.events import CheckpointTaken, Compared, Event, RolledBack, RunStarted
from watchdogd.core.health import Channel, Finding, Severity, channels
from watchdogd.core.lease.messages import CompareOrder, ForgetOrder, RollbackOrder
from watchdogd.core.plan import ReturnTo, Tell
from watchdogd.core.policy import Memory
from watchdogd.overseer.book import Book, memory_cell
from watchdogd.overseer.enforce import Enforcer
from watchdogd.ports import Clock, Record, Transaction
from watchdogd.wire.messages import CheckpointList, CheckpointReport, Message, Request, Response, Stage

BY_POLICY_AT_MOST = 2
"""Returns that policy may order in one run: what goes wrong a third time goes wrong for a reason people should see."""
TAINTING = (Channel.DRIFT, Channel.SAFETY)
"""What goes wrong there leaves its marks. Loops, errors and forgetting are over when they are over: while they last
nothing passes inspection, and afterwards a later inspection finds the state as good as any."""
LISTED = 100
"""Checkpoints in the retained list; it must fit on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """A return that was ordered and is not over."""

    latch: str
    checkpoint: str
    by: str
    request: str = ""
    """The person's request it answers; empty = policy ordered it."""


class Returns:
    """Runs inside the transactions of the overseer's record."""

    def __init__(self, book: Book, enforcer: Enforcer, record: Record, clock: Clock, retention: Retention) -> None:
        self.book, self._enforcer, self._clock, self._retention = book, enforcer, clock, retention
        self._under_way = {one.latch: one for _, one in record.scan(Returning, "returning/")}
        self._by_policy = record.load(int, "returned-by-policy") or 0
        enforcer.return_to = self.return_to

    # --- what the worker tells ---

    def to(self, changing: Transaction, event: Event) -> None:
        """What follows from ``event`` for checkpoints."""
        match event.body:
            case RunStarted():
                self._new_run(changing)
            case CheckpointTaken() as taken:
                self._taken(changing, event, taken)
            case RolledBack() as said:
                self._returned(changing, event, said)
            case Compared() as compared:
                self._compared(changing, compared)
            case _:
                pass

    def _new_run(self, changing: Transaction) -> None:
        """Standings of what went before are final; trouble of another run taints nothing of this one."""
        for known in self.book.points.values():
            if not known.final:
                self._keep(changing, replace(known, final=standing(known, self.book.past)))
        self._past(changing, Past(looks=self.book.past.looks))
        self._count(changing, 0)

    def _taken(self, changing: Transaction, event: Event, taken: CheckpointTaken) -> None:
        if not taken.checkpoint:
            headline = f"no checkpoint could be taken: {taken.why}"
            self._tell(changing, "no-checkpoint", Severity.WARN, headline, event.seq)
            return
        point = Point(
            id=taken.checkpoint, at_seq=taken.at_seq, complete=taken.complete, taken_at=event.at or self._clock.wall()
        )
        known = Known(
            point=point,
            run=event.run,
            mission=self.book.run.mission if event.run else "",
            reason=taken.reason,
            files=taken.files,
            bytes=taken.bytes,
            why=taken.why,
            missed=taken.missed,
        )
        self._keep(changing, known)
        self._forget(changing)

    def _keep(self, changing: Transaction, known: Known) -> None:
        self.book.points[known.point.id] = known
        changing.put(f"point/{known.point.id}", known)
        self._enforcer.out.checkpoints = True

    def _forget(self, changing: Transaction) -> None:
        """Orders the worker to remove what retention does not keep."""
        pinned = {one.checkpoint for one in self._under_way.values()}
        points = [known.point for known in self.book.points.values()]
        sound = {known.point.id for known in self.book.points.values() if standing(known, self.book.past) == "passed"}
        gone = sorted(set(self.book.points) - kept(points, sound, self._retention, pinned))
        if not gone:
            return
        for id_ in gone:
            del self.book.points[id_]
            changing.drop(f"point/{id_}")
        self._enforcer.order(changing, "", ForgetOrder(checkpoints=tuple(gone)))

    # --- inspection ---

    def look(self, changing: Transaction, upto: int, found: Iterable[Finding] = (), onset: int | None = None) -> None:
        """An inspection of everything up to event ``upto`` is over; ``found`` is what the judge raised.

        Detectors have a say too: with anything live on any channel but cost, nothing up to here has passed.
        """
        live = [one for one in channels(self.book.health) if one.severity is not Severity.OK]
        ill = [one for one in found if one.channel is not Channel.COST]
        if not ill and all(one.channel is Channel.COST for one in live):
            self._looked(changing, upto)
        elif onset is not None and onset > 1:
            self._looked(changing, onset - 1)

    def _looked(self, changing: Transaction, upto: int) -> None:
        before = max((one.healthy_upto for one in self.book.past.looks), default=0)
        if upto > before:
            self._past(changing, replace(self.book.past, looks=(Look(healthy_upto=upto),)))

    def trouble(self, changing: Transaction, found: Iterable[Finding]) -> None:
        """Critical drift or danger: what was saved after it began is no place to return to."""
        onsets = {
            min(one for one in (finding.since, *finding.evidence) if one > 0)
            for finding in found
            if finding.severity is Severity.CRIT
            and finding.channel in TAINTING
            and any(one > 0 for one in (finding.since, *finding.evidence))
        }
        new = sorted(onsets - set(self.book.past.onsets))
        if new:
            onsets_now = (*self.book.past.onsets, *new)[:LONGEST_PAST]
            self._past(changing, replace(self.book.past, onsets=onsets_now))

    def outdated(self, upto: int) -> bool:
        """Whether a look at events up to ``upto`` saw what has been undone since."""
        return any(one.at_seq > upto for one in self.book.past.returns)

    def settled(self, changing: Transaction) -> None:
        """A person let the worker go on as it is: what was found before no longer taints what comes."""
        if self.book.past.onsets:
            self._past(changing, replace(self.book.past, onsets=()))

    def _past(self, changing: Transaction, past: Past) -> None:
        self.book.past = past
        changing.put("past", past)
        self._enforcer.out.checkpoints = True

    # --- returning ---

    def return_to(self, changing: Transaction, effect: ReturnTo, decision: str) -> None:
        """Policy decided to roll back: orders it, or asks people when there is nothing to return to."""
        if effect.latch in self._under_way:
            return
        chosen = None
        if len(self.book.past.onsets) < LONGEST_PAST:  # beyond that it is not known what all went wrong
            chosen = target(self._present(), effect.onset, self.book.past)
        why = ""
        if self._by_policy >= BY_POLICY_AT_MOST:
            why = f"policy has returned {self._by_policy} times in this run already"
        elif chosen is None:
            why = "no checkpoint of before has passed inspection"
        if chosen is None or why:
            self._ask(changing, effect.latch, f"{effect.reason}; {why}, so it stays paused", effect.onset, decision)
            return
        self._count(changing, self._by_policy + 1)
        self._order(
            changing,
            Returning(latch=effect.latch, checkpoint=chosen.id, by="policy"),
            run=self.book.run.id,
            reason=effect.reason,
            note=self._enforcer.nudge_text(effect.finding, effect.reason),
        )

    def _present(self) -> list[Point]:
        """This run's checkpoints that lie in the history of the present; what was undone is no place to return to."""
        now, returns = self.book.folded_seq, self.book.past.returns
        mine = (known.point for known in self.book.points.values() if known.run == self.book.run.id)
        return [point for point in mine if contains(now, point.at_seq, returns)]

    def _count(self, changing: Transaction, by_policy: int) -> None:
        self._by_policy = by_policy
        changing.put("returned-by-policy", by_policy)

    def _order(self, changing: Transaction, one: Returning, *, run: str, reason: str, note: str) -> int:
        self._under_way[one.latch] = one
        changing.put(f"returning/{one.latch}", one)
        body = RollbackOrder(checkpoint=one.checkpoint, by=one.by, reason=reason, note=note, latch=one.latch)
        return self._enforcer.order(changing, run, body).n

    def requested(self, changing: Transaction, user: str, request: Request) -> Response:
        """``rollback ID`` compares, ``rollback ID yes`` returns. Raises: RequestRefused."""
        known = self.book.points.get(request.target)
        if known is None:
            newest = ", ".join(one.point.id for one in self._newest()[:5]) or "none yet"
            raise RequestRefused(f"there is no checkpoint {request.target!r}; the newest: {newest}")
        if not known.point.complete:
            raise RequestRefused(f"checkpoint {request.target} is incomplete ({known.why}): it is none to return to")
        run = self.book.run.id if self.book.run.active else ""
        if run and known.run != run:
            raise RequestRefused(f"checkpoint {request.target} is of run {known.run}; stop run {run} first")
        words = request.text.split(None, 1)
        if not words or words[0].removeprefix("--").lower() != "yes":
            order = CompareOrder(checkpoint=request.target, request=request.id, by=user)
            self._enforcer.order(changing, "", order)
            text = f"comparing the workspace with {request.target}; nothing is changed by that"
            return self._said(request.id, text, stage="ordered")
        latch = f"rollback/{user}"
        if latch in self._under_way:
            raise RequestRefused(f"a return to {self._under_way[latch].checkpoint} is under way")
        said = words[1] if len(words) > 1 else ""
        reason = said or f"{user} asked for it"
        self._enforcer.latch(changing, latch, user, f"returning to {request.target}: {reason}", shadow_too=True)
        one = Returning(latch=latch, checkpoint=request.target, by=user, request=request.id)
        n = self._order(changing, one, run=run, reason=reason, note=f"{user} says: {said}" if said else "")
        return self._said(request.id, f"returning to {request.target} (order {n}); done follows", stage="ordered")

    def _returned(self, changing: Transaction, event: Event, said: RolledBack) -> None:
        if said.ok:
            returns = (*self.book.past.returns, Return(at_seq=event.seq, to_seq=said.to_seq))[-LONGEST_PAST:]
            self._past(changing, replace(self.book.past, returns=returns))
            self.book.memory = Memory()  # what acts only once in a while may act on what is done now
            changing.put("memory", memory_cell(self.book.memory))
            self.book.inspected_seq = max(self.book.inspected_seq, event.seq)  # what was undone is not looked at
            changing.put("inspected_seq", self.book.inspected_seq)
            self._enforcer.withdraw(changing, event.run, "the worker was taken back to before it", since=said.to_seq)
        if said.at == "between":
            headline = f"the return to {said.checkpoint} cannot end yet and is tried again: {said.reason}"
            self._tell(changing, f"return/{said.latch}", Severity.CRIT, headline, event.seq)
            return
        one = self._under_way.pop(said.latch, None)
        changing.drop(f"returning/{said.latch}")
        text = _told(said)
        if said.ok:
            self._release(changing, said)
        else:
            if said.latch not in {latch.name for latch in self.book.proto.latches}:
                self._enforcer.latch(changing, said.latch, said.by or "policy", text)
            self._ask(changing, said.latch, f"{text}; it stays paused", event.seq, "")
        if one is not None and one.request:
            answer = self._said(one.request, text, status="ok" if said.ok else "error")
            self._respond(changing, one.by, answer)
        elif said.ok:
            self._tell(changing, f"returned/{event.seq}", Severity.WARN, text, event.seq)

    def _release(self, changing: Transaction, said: RolledBack) -> None:
        self._enforcer.release(changing, said.latch, said.by or "policy")
        for one in tuple(self.book.escalations.values()):
            if isinstance(one.subject, ReleaseLatch) and one.subject.latch == said.latch:
                self._enforcer.close(changing, one, "withdrawn", "", f"returned to {said.checkpoint}")

    def _compared(self, changing: Transaction, compared: Compared) -> None:
        if not compared.ok:
            text = f"{compared.checkpoint} cannot be compared with the workspace: {compared.text}"
            self._respond(changing, compared.by, self._said(compared.request, text, status="error"))
            return
        lines = [compared.text, *compared.lines, f"`rollback {compared.checkpoint} yes` returns there"]
        self._respond(changing, compared.by, self._said(compared.request, "\n".join(lines), stage="compared"))

    def _respond(self, changing: Transaction, user: str, response: Response) -> None:
        self._enforcer.row(changing, "response", response, response.text.partition("\n")[0], user=user)

    @staticmethod
    def _said(request: str, text: str, *, stage: Stage = "done", status: Literal["ok", "error"] = "ok") -> Response:
        return Response(request=request, command="rollback", status=status, stage=stage, text=text)

    def _ask(self, changing: Transaction, latch: str, headline: str, seq: int, decision: str) -> None:
        tell = Tell(
            group=latch,
            severity=Severity.CRIT,
            headline=headline[:300],
            evidence=(seq,) if seq > 0 else (),
            subject=ReleaseLatch(latch=latch),
        )
        self._enforcer.tell(changing, tell, decision=decision)

    def _tell(self, changing: Transaction, group: str, severity: Severity, headline: str, seq: int) -> None:
        tell = Tell(group=group, severity=severity, headline=headline[:300], evidence=(seq,))
        self._enforcer.tell(changing, tell)

    # --- the list ---

    def _newest(self) -> list[Known]:
        return sorted(
            self.book.points.values(),
            key=lambda one: (one.point.at_seq, one.point.taken_at, one.point.id),
            reverse=True,
        )

    def message(self) -> Message:
        """The retained list."""
        reports = tuple(_report(known, self.book.past) for known in self._newest()[:LISTED])
        good = sum(1 for one in reports if one.standing == "passed")
        headline = f"{counted(len(reports), 'checkpoint')}, {good} passed inspection"
        return self._enforcer.message(CheckpointList(checkpoints=reports), headline)


def _report(known: Known, past: Past) -> CheckpointReport:
    return CheckpointReport(
        id=known.point.id,
        taken_at=known.point.taken_at,
        at_seq=known.point.at_seq,
        standing=standing(known, past),
        run=known.run,
        mission=known.mission,
        reason=known.reason,
        files=known.files,
        bytes=known.bytes,
        why=known.why[:200],
        missed=known.missed,
    )


def _told(said: RolledBack) -> str:
    if not said.ok:
        return f"no return to {said.checkpoint}, nothing was changed: {said.reason}"
    moved = f"{counted(said.changed, 'path')} put back, {said.quarantined} moved to quarantine"
    left = f"; left the machine since: {', '.join(said.outside[:3])}" if said.outside else ""
    return f"returned to {said.checkpoint} ({said.reason}): {moved}, what was there is kept as {said.saved_as}{left}"
