"""What really happened, seen from outside, and the promises it is held against on every effect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.protocol.world import Record, World
from watchdogd.core.events import Impact
from watchdogd.core.lease.messages import Ack, Answer, Timing

if TYPE_CHECKING:
    from tests.protocol.worker import Launcher


@dataclass(slots=True)
class Sent:
    """A beat as it really left."""

    at: float
    """CLOCK_BOOTTIME of the machine, not of anybody's reckoning (seconds)."""
    head: int
    granted: bool = False


class Truth:
    """Keeps the books nobody in the protocol can see."""

    def __init__(self, world: World, timing: Timing, worker: Record, memory: Record, overseer: Record) -> None:
        self.world = world
        self.timing = timing
        self.worker = worker
        self.memory = memory
        self.overseer = overseer
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.beats: dict[str, Sent] = {}
        self.held: set[str] = set()
        """Pauses reported as held whose release nobody asked for."""
        self.latched: set[str] = set()
        """Pauses reported as latched whose release nobody asked for."""
        self.frozen = False
        """Frozen by decision."""
        self.acked: tuple[int, int] = (0, 0)
        self.ran: list[int] = []
        """Rows of the ``tool_started`` of effects that may lie beyond what is stored."""
        self.promised: list[tuple[int, str]] = []
        """Orders that were reported as given: number and body."""
        self.never_freezes = False
        """Nothing happens in this schedule that would justify a freeze."""
        self.owed: dict[int, str] = {}
        """Of each overseer the beat it has not answered yet."""
        self.last_effect = 0.0
        self.first_effect_after = float("inf")
        self.healed_at = float("inf")

    def broken(self, promise: str, why: str) -> None:
        """A promise did not hold."""
        self.violations.append(f"{promise} at {self.world.mono:.3f}: {why}")

    # --- worker -------------------------------------------------------------------------------------------------------

    def beaten(self, nonce: str, head: int) -> None:
        """A beat left."""
        self.counts["beats"] += 1
        self.beats[nonce] = Sent(self.world.boot, head)

    def accepted(self, before: tuple[int, int], after: tuple[int, int]) -> None:
        """The worker took a state."""
        if after < before:
            self.broken("state goes forward", f"from {before} back to {after}")

    def recovered(self, pair: tuple[int, int]) -> None:
        """A worker started with the state of its record."""
        if pair < self.acked:
            self.broken("state goes forward", f"acknowledged {self.acked}, came back with {pair}")

    def acknowledged(self, ack: Ack) -> None:
        """An acknowledgement left."""
        pair = (ack.epoch, ack.lrev)
        self.acked = max(self.acked, pair)
        safe = self.memory.log[self.memory.safe - 1][1].pair if self.memory.safe else (0, 0)
        if safe < pair:
            self.broken("acknowledged state is on disk", f"acknowledged {pair}, on disk {safe}")

    def published(self, seq: int, position: int) -> None:
        """A row left."""
        self.counts["rows sent"] += 1
        if position > self.worker.safe:
            self.broken("published rows are on disk", f"row {seq} is not")

    def effect(self, launcher: Launcher) -> None:
        """A tool runs, from now on."""
        now, call = self.world.boot, launcher.call
        self.counts["effects"] += 1
        self.last_effect = self.world.mono
        if self.world.mono > self.healed_at:
            self.first_effect_after = min(self.first_effect_after, self.world.mono)
        sent = self.beats.get(launcher.nonce)
        if sent is None or not sent.granted:
            self.broken("effect under a lease", f"lease {launcher.nonce!r} was never granted")
        elif now >= sent.at + self.timing.ttl_s:
            self.broken("effect under a lease", f"{now - sent.at:.3f} s after the beat")
        if launcher.started_at_position > self.worker.safe:
            self.broken("record before effect", f"row {launcher.started} is not on disk")
        stored = self.overseer.stored
        if call.impact is not Impact.READ:
            if stored < call.intent:
                self.broken("judged before it runs", f"call {call.intent}, stored {stored}")
        else:
            self.ran = [seq for seq in self.ran if seq > stored]
            if len(self.ran) >= self.timing.max_ahead:
                self.broken("reads at most max_ahead", f"{len(self.ran)} beyond {stored}")
        self.ran.append(launcher.started)
        if self.held:
            self.broken("pause sticks", f"effect while {sorted(self.held)} held")
        if self.frozen:
            self.broken("frozen is frozen", "effect while frozen by decision")

    # --- overseer -----------------------------------------------------------------------------------------------------

    def owes(self, epoch: int, nonce: str) -> None:
        """An overseer took a beat up: it answers before it takes up the next."""
        debt = self.owed.get(epoch)
        if debt is not None:
            self.broken("every beat is answered", f"{debt} was not")
        self.owed[epoch] = nonce

    def answered(self, epoch: int, answer: Answer) -> None:
        """An overseer decided on an answer."""
        self.counts["answers"] += 1
        self.owed.pop(epoch, None)
        if epoch != self.overseer.epoch:
            self.broken("one overseer answers", f"epoch {epoch} answers under {self.overseer.epoch}")
        if answer.stored_seq > self.overseer.stored:
            self.broken("stored is committed", f"says {answer.stored_seq}, on disk {self.overseer.stored}")
        missing = self.latched - {latch.name for latch in answer.latches}
        if missing:
            self.broken("pause sticks", f"{sorted(missing)} not in an answer")
        if not answer.grant:
            return
        self.counts["grants"] += 1
        sent = self.beats[answer.nonce]
        sent.granted = True
        if self.overseer.stored < sent.head:
            self.broken("a lease proves processing", f"head {sent.head}, stored {self.overseer.stored}")

    def pause_latched(self, name: str, wanted: bool) -> None:
        """The operator was told ``latched``."""
        self.counts["pauses latched"] += 1
        if wanted:
            self.latched.add(name)

    def pause_held(self, name: str, wanted: bool) -> None:
        """The operator was told ``held``."""
        self.counts["pauses held"] += 1
        if wanted:
            self.held.add(name)

    def release_asked(self, name: str) -> None:
        """The operator asked for the release: nothing is promised of this pause any more."""
        self.latched.discard(name)
        self.held.discard(name)

    # --- supervisor ---------------------------------------------------------------------------------------------------

    def froze(self) -> None:
        """The dead-man's switch fired."""
        self.counts["freezes"] += 1
        if self.never_freezes:
            self.broken("no false freeze", "the overseer was away for less than a minute")

    # --- the end ------------------------------------------------------------------------------------------------------

    def concluded(self, within_s: float, latches_left: int) -> None:
        """Reads both records once everything has calmed down."""
        rows = [one[2] for one in self.worker.log if one[0] == "row"]
        folded = [pair for one in self.overseer.log if one[0] == "commit" for pair in one[1]]
        if [seq for seq, _ in folded] != list(range(1, len(folded) + 1)):
            wrong = next(i for i, (seq, _) in enumerate(folded, 1) if seq != i)
            self.broken("every event once, in order", f"fold {wrong} is row {folded[wrong - 1][0]}")
        elif [body for _, body in folded] != rows[: len(folded)]:
            self.broken("every event once, in order", "a folded row is not the worker's")
        elif len(folded) < len(rows):
            self.broken("no deadlock", f"{len(rows) - len(folded)} of {len(rows)} rows not processed")
        self.counts["events folded"] += len(folded)
        given = [(one[1], one[2]) for one in self.overseer.log if one[0] == "order"]
        applied = [(one[1], one[2]) for one in self.worker.log if one[0] == "order"]
        self.counts["orders"] += len(applied)
        if [n for n, _ in given] != list(range(1, len(given) + 1)):
            self.broken("every order once, in order", f"numbers given: {[n for n, _ in given]}")
        lost = [one for one in self.promised if one not in given]
        if lost:
            self.broken("every order once, in order", f"lost: {lost}")
        if applied != given:
            self.broken("every order once, in order", f"given {given}, applied {applied}")
        if latches_left:
            self.broken("released pauses release", f"{latches_left} latches left at the worker")
        if self.first_effect_after - self.healed_at > within_s:
            self.broken("no deadlock", f"no effect within {within_s:g} s after the faults")
