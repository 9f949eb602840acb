"""Checkpoints at the worker: taken between steps, returned to behind a latch of their own, finished forward."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import assert_never

from watchdogd.core.changes import fitting
from watchdogd.core.conversation import Conversation, Message, result, unanswered, with_user
from watchdogd.core.errors import RecordFenced, RecordFull, RestoreUnfinished, SnapshotError, WireError
from watchdogd.core.events import CheckpointTaken, Compared, Impact, RolledBack
from watchdogd.core.lease.messages import CompareOrder, ForgetOrder, RollbackOrder
from watchdogd.core.lifecycle import Run
from watchdogd.core.rollback import (
    ReleaseLatch,
    Restored,
    RestoreTalk,
    RestoreWorkspace,
    Rollback,
    SavePresent,
    SetLatch,
    Standing,
    outside,
    outside_note,
    steps,
)
from watchdogd.ports import Clock, Record, Snapshots
from watchdogd.wire.talk import packed, unpacked
from watchdogd.worker.conversations import conversation_of, message_key
from watchdogd.worker.journal import Journal, Writing
from watchdogd.worker.tools.call import Call

ORDERED = "rollback"
"""The cell of the rollback under way: while it is there, nothing but its steps happens."""
TALK = "conversation"
RETRY_S = 5.0
"""A restore that cannot end (a full disk, something that writes) is tried again after this (seconds)."""
LINES = 100
"""Of a comparison, for people; the headline counts all."""
LINES_BYTES = 48 * 1024
"""Of the same as JSON: the event, and the answer made of it, must fit on the bus whatever the names are made of."""
INTENTS = 500
"""So many events before a checkpoint are looked through for what a later call was meant to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """A rollback under way, as it is on disk."""

    rollback: Rollback
    latch: str
    by: str = ""
    reason: str = ""
    note: str = ""
    """For the model."""
    saved: bool = False
    """What was there is saved, and said so."""
    back: Restored | None = None
    """Set once the workspace is at the target."""
    talked: bool = False
    """Conversation and memory are at the target."""
    told: bool = False
    """It was said that the restore cannot end yet."""


def ordered(n: int, body: RollbackOrder) -> Ordered:
    """Order ``n`` as it is kept until it is carried out."""
    rollback = Rollback(id=f"rollback-{n}", target=body.checkpoint, saved_as=f"before-{n}")
    return Ordered(rollback=rollback, latch=body.latch, by=body.by, reason=body.reason, note=body.note)


def refused(body: RollbackOrder, why: str) -> RolledBack:
    """What is said of an order that is not carried out at all."""
    return RolledBack(checkpoint=body.checkpoint, ok=False, at="before", reason=why, latch=body.latch, by=body.by)


def risky(call: Call) -> bool:
    """Whether a checkpoint is worth its time before ``call``: afterwards is too late."""
    return call.impact in (Impact.DESTRUCTIVE, Impact.EXTERNAL) or bool(call.dangers)


class Checkpoints:
    """Takes, returns, compares, forgets. No tool runs meanwhile: they end with their call, and calls are serial."""

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        record: Record,
        journal: Journal,
        clock: Clock,
        every_s: float,
        before_risky: bool,
    ) -> None:
        self._snapshots, self._record, self._journal, self._clock = snapshots, record, journal, clock
        self._every_s, self._before_risky = every_s, before_risky
        self._taken_at = float("-inf")
        self._touched = True
        """Something may have changed since the last checkpoint."""
        self._errand = asyncio.Event()
        self.latest = ""
        """The newest complete checkpoint this process has taken."""
        self.returning = ""
        """What is being done while a rollback is under way, for the state topic; empty = none is."""

    # --- taking ---

    async def at_boundary(self, run: Run) -> bool:
        """Takes one when it is due; whether time has passed, so that the caller looks at everything again."""
        if run.dry_run:
            return False
        if self._record.load(str, "checkpoints/run") != run.id:
            await self._take(run, f"{run.mission.name} begins")
            return True
        if not self._touched or self._clock.boot() - self._taken_at < self._every_s:
            return False
        await self._take(run, "schedule")
        return True

    async def before(self, run: Run, call: Call) -> None:
        """``call`` is about to start: takes one first when it is risky and something changed since the last."""
        if run.dry_run or call.impact is Impact.READ:
            return
        if self._before_risky and self._touched and risky(call):
            await self._take(run, f"before {call.summary}"[:120])
        self._touched = True

    async def _take(self, run: Run, reason: str) -> None:
        began, at = self._clock.boot(), self._journal.head
        try:
            await self._snapshots.open()
            manifest = await self._snapshots.take(f"c{at}", reason=reason, at_seq=at, extra=self._extras(run))
        except SnapshotError as why:
            taken = CheckpointTaken(reason=reason, complete=False, at_seq=at, why=str(why)[:500])
        else:
            taken = CheckpointTaken(
                checkpoint=manifest.id,
                reason=reason,
                complete=manifest.complete,
                files=manifest.files,
                bytes=manifest.bytes,
                duration_s=round(self._clock.boot() - began, 4),
                at_seq=at,
                why=manifest.why[:500],
                missed=manifest.missed_count,
            )
        with self._journal.transaction() as writing:
            writing.event(taken)
            writing.put("checkpoints/run", run.id)
            if taken.checkpoint:
                writing.put(f"taken/{taken.checkpoint}", taken.reason)
        self._taken_at = self._clock.boot()
        if taken.complete:
            self.latest, self._touched = taken.checkpoint, False

    def _extras(self, run: Run | None) -> dict[str, bytes]:
        if run is None:
            return {}
        return {TALK: packed(run.id, conversation_of(self._record, run.id))}

    # --- returning ---

    @property
    def due(self) -> bool:
        """A rollback was ordered, or was interrupted."""
        return self._record.load(Ordered, ORDERED) is not None

    async def ready(self, ending: Callable[[], bool] = lambda: False) -> None:
        """Finishes what a crash interrupted, before anything else of the worker's happens; gives up when ``ending``.

        Raises:
            RecordFenced: another worker has taken over.
        """
        while not ending():
            try:
                self._credited(await self._snapshots.open())
                await self._drop_unknown()
            except RestoreUnfinished as why:
                self.returning = f"a restore that was interrupted cannot end yet: {why}"
                await self._clock.sleep(RETRY_S)
            except RecordFenced:
                raise
            except RecordFull:
                await self._clock.sleep(RETRY_S)
            except SnapshotError:
                return  # no store: the next checkpoint says why there is none
            else:
                self.returning = ""
                return

    def _credited(self, back: Restored | None) -> None:
        """A restore that was finished just now belongs to the rollback that began it, and to no other."""
        waiting = self._record.load(Ordered, ORDERED)
        if back is None or waiting is None or back.at != "target":
            return
        if (back.checkpoint, back.quarantine) == (waiting.rollback.target, waiting.rollback.id):
            self._put(replace(waiting, back=back))

    async def _drop_unknown(self) -> None:
        """Checkpoints whose taking was cut short before anybody could hear of them."""
        known = {key.removeprefix("taken/") for key, _ in self._record.scan(str, "taken/", limit=100_000)}
        if not known:
            return  # a new record beside an old store proves nothing against what is in it
        with suppress(SnapshotError):
            await self._snapshots.forget(await self._snapshots.ids() - known - self._needed())

    def _needed(self) -> frozenset[str]:
        waiting = self._record.load(Ordered, ORDERED)
        return frozenset({waiting.rollback.target, waiting.rollback.saved_as}) if waiting is not None else frozenset()

    async def roll_back(self, run: Run | None) -> None:
        """Carries out the rollback that is due, whatever was done of it before.

        Raises:
            RecordFull: it goes on with the next call.
            RecordFenced: another worker has taken over.
        """
        waiting = self._record.load(Ordered, ORDERED)
        if waiting is None:
            return
        self.returning = f"returning to checkpoint {waiting.rollback.target}"
        try:
            await self._carry_out(waiting, run)
        except SnapshotError as why:
            begun = self._record.load(Ordered, ORDERED) or waiting
            if not isinstance(why, RestoreUnfinished) and begun.back is None:
                self._over(self._said(waiting, ok=False, reason=str(why)))
                return
            self._say_unfinished(begun, str(why))  # files were moved: from here the way is forward only
            self.returning = f"the return to {waiting.rollback.target} cannot end yet: {why}"
            await self._clock.sleep(RETRY_S)
        finally:
            self.returning = ""

    async def _carry_out(self, waiting: Ordered, run: Run | None) -> None:
        self._credited(await self._snapshots.open())
        waiting = self._record.load(Ordered, ORDERED) or waiting
        rollback = waiting.rollback
        manifest = await self._snapshots.manifest(rollback.target)
        blob = await self._talk(waiting, run, manifest.complete, manifest.why)
        now = Standing(
            latched=True,
            saved=waiting.saved,
            workspace=waiting.back is not None,
            talk=waiting.talked or run is None,
        )
        for step in steps(rollback, now):
            self._record.check()
            match step:
                case SetLatch():
                    pass  # the order itself: it was on disk before anything else
                case SavePresent(checkpoint=id_):
                    waiting = await self._save(waiting, id_, run)
                case RestoreWorkspace(checkpoint=id_, quarantine=quarantine):
                    back = await self._snapshots.restore(id_, quarantine=quarantine)
                    if back.at != "target":
                        raise SnapshotError("it was interrupted before its first change; nothing was changed")
                    waiting = replace(waiting, back=back)
                    self._put(waiting)
                case RestoreTalk():
                    waiting = self._restore_talk(waiting, run, blob, manifest.at_seq)
                case ReleaseLatch():
                    self._over(self._done(waiting, manifest.at_seq))
                case _:
                    assert_never(step)
        self._taken_at, self._touched = self._clock.boot(), True

    async def _talk(self, waiting: Ordered, run: Run | None, complete: bool, why: str) -> Conversation:
        """The conversation to return to. Raises: SnapshotError, when this checkpoint is none to return to now."""
        target = waiting.rollback.target
        if not complete:
            raise SnapshotError(f"checkpoint {target} is incomplete: {why}")
        if run is None:
            return ()
        try:
            of, messages = unpacked(await self._snapshots.blob(target, TALK))
        except WireError as bad:
            raise SnapshotError(f"the conversation in checkpoint {target} cannot be read: {bad}") from None
        if of != run.id:
            raise SnapshotError(f"checkpoint {target} is of run {of}; stop run {run.id} first")
        return messages

    async def _save(self, waiting: Ordered, id_: str, run: Run | None) -> Ordered:
        if id_ in await self._snapshots.ids():  # an attempt that was cut short before it could say so
            saved = await self._snapshots.manifest(id_)
        else:
            at, extras = self._journal.head, self._extras(run)
            saved = await self._snapshots.take(id_, reason="before a rollback", at_seq=at, extra=extras)
        if not saved.complete:
            raise SnapshotError(f"what is there now could not be saved ({saved.why}); nothing was changed")
        waiting = replace(waiting, saved=True)
        with self._journal.transaction() as writing:
            writing.event(
                CheckpointTaken(
                    checkpoint=id_,
                    reason=saved.reason,
                    files=saved.files,
                    bytes=saved.bytes,
                    duration_s=round(saved.took_s, 4),
                    at_seq=saved.at_seq,
                    missed=saved.missed_count,
                )
            )
            writing.put(f"taken/{id_}", saved.reason)
            writing.put(ORDERED, waiting)
        return waiting

    def _put(self, waiting: Ordered) -> None:
        with self._journal.transaction() as writing:
            writing.put(ORDERED, waiting)

    def _outside(self, since: int) -> tuple[str, ...]:
        return outside(self._journal.events(max(1, since - INTENTS), self._journal.head), since)

    def _restore_talk(self, waiting: Ordered, run: Run | None, then: Conversation, since: int) -> Ordered:
        """The conversation as it was, every open call answered, and the note: in one transaction."""
        waiting = replace(waiting, talked=True)
        if run is None:
            return waiting
        run = self._record.load(Run, "run/current") or run  # a stop may have come meanwhile
        note = outside_note(waiting.rollback.target, self._outside(since), waiting.note)
        blocks = [
            result(use.id, "This call was not made: you were taken back to before it.", is_error=True)
            for use in unanswered(then)
        ]
        now = with_user(then, [*blocks, {"type": "text", "text": note}])
        with self._journal.transaction() as writing:
            self._replace(writing, run, now)
            writing.put(ORDERED, waiting)
        return waiting

    def _replace(self, writing: Writing, run: Run, now: Sequence[Message]) -> None:
        for index, message in enumerate(now):
            writing.put(message_key(run.id, index), message)
        for index in range(len(now), run.messages):
            writing.drop(message_key(run.id, index))
        writing.put("run/current", replace(run, messages=len(now)))

    def _said(self, waiting: Ordered, *, ok: bool, reason: str) -> RolledBack:
        return RolledBack(
            checkpoint=waiting.rollback.target,
            ok=ok,
            at="target" if ok else "before",
            reason=reason[:500],
            latch=waiting.latch,
            by=waiting.by,
        )

    def _done(self, waiting: Ordered, since: int) -> RolledBack:
        back = waiting.back
        return replace(
            self._said(waiting, ok=True, reason=waiting.reason),
            saved_as=waiting.rollback.saved_as if waiting.saved else "",
            to_seq=since,
            changed=back.changed if back is not None else 0,
            quarantined=len(back.quarantined) if back is not None else 0,
            outside=self._outside(since),
        )

    def _over(self, said: RolledBack) -> None:
        with self._journal.transaction() as writing:
            writing.event(said)
            writing.drop(ORDERED)

    def _say_unfinished(self, waiting: Ordered, why: str) -> None:
        if waiting.told:
            return
        with self._journal.transaction() as writing:
            writing.event(replace(self._said(waiting, ok=False, reason=why), at="between"))
            writing.put(ORDERED, replace(waiting, told=True))

    # --- errands ---

    def poke(self) -> None:
        """An errand may have been ordered."""
        self._errand.set()

    async def errands(self) -> None:
        """Comparisons and forgetting, beside whatever the run does."""
        while True:
            try:
                for key, asked in self._record.scan(CompareOrder, "compare/"):
                    await self._compare(key, asked)
                for key, forget in self._record.scan(ForgetOrder, "forget/"):
                    await self._forget(key, forget)
            except RecordFenced:
                raise
            except RecordFull:
                await self._clock.sleep(RETRY_S)  # an errand is no reason to end
                continue
            await self._errand.wait()
            self._errand.clear()

    async def _compare(self, key: str, asked: CompareOrder) -> None:
        try:
            await self._snapshots.open()
            changes = await self._snapshots.compare(asked.checkpoint)
        except SnapshotError as why:
            said = Compared(
                checkpoint=asked.checkpoint, request=asked.request, by=asked.by, ok=False, text=str(why)[:500]
            )
        else:
            said = Compared(
                checkpoint=asked.checkpoint,
                request=asked.request,
                by=asked.by,
                text=changes.headline,
                lines=fitting([line[:300] for line in changes.lines(LINES)], LINES_BYTES),
            )
        with self._journal.transaction() as writing:
            writing.event(said)
            writing.drop(key)

    async def _forget(self, key: str, forget: ForgetOrder) -> None:
        gone = frozenset(forget.checkpoints) - self._needed()
        with suppress(SnapshotError):  # they stay; the next start drops what nobody knows any more
            await self._snapshots.open()
            await self._snapshots.forget(gone)
        with self._journal.transaction() as writing:
            writing.drop(key)
            for id_ in gone:
                writing.drop(f"taken/{id_}")
