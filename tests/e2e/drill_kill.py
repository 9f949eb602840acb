"""kill -9 of every process at random moments of a mission of two hundred calls, again and again."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from tests.e2e import records
from tests.e2e.daemon import QUICK, Daemon
from tests.e2e.viewer import Late, Seen, Viewer
from watchdogd.core.errors import WatchdogdError
from watchdogd.core.escalation import Escalation, ReleaseLatch
from watchdogd.core.events import Event, RunFinished, ToolFinished, ToolStarted

ROLES = ("worker", "overseer", "broker", "supervisor")
PARTS = 50
ROWS = 1_000
"""About as many rows as the mission leaves without any accident."""
MISSION_S = 600.0
"""No mission takes that long, with all its accidents, on a busy machine (seconds)."""
ROUNDS = 30
AT_ONCE = 3
"""Missions side by side: each waits a good part of its time for processes to start again."""
RESUME_AGAIN = 25
"""Looks of a person between two answers to the same question: a broker may have died with the first."""


@dataclass
class Round:
    """One mission and what was done to it."""

    seed: int
    kills: list[tuple[str, int]] = field(default_factory=list)
    """Which process died, and at which row of the worker's record."""
    calls: int = 0
    doubts: int = 0
    aborted: int = 0
    outcome: str = ""
    took_s: float = 0.0
    faults: list[str] = field(default_factory=list)

    @override
    def __str__(self) -> str:
        kills = " ".join(f"{role}@{row}" for role, row in self.kills)
        return (
            f"seed {self.seed}: {'BAD' if self.faults else 'good'}; {self.outcome or 'no end'}; {self.calls} calls; "
            f"{len(self.kills)} kills ({kills}); {self.doubts} in doubt, {self.aborted} aborted; {self.took_s:.0f} s"
        )


def planned(seed: int) -> list[tuple[str, int, float]]:
    """Which process dies at which row, and how much later (seconds): each once, three more, and one pair at once."""
    dice = random.Random(seed)
    roles = [*ROLES, *(dice.choice(ROLES[:3]) for _ in range(2))]
    dice.shuffle(roles)
    rows = sorted(dice.randrange(20, ROWS - 60) for _ in roles)
    plan = [(role, row, dice.random() * 0.3) for role, row in zip(roles, rows, strict=True)]
    at = dice.randrange(len(plan))
    plan.insert(at + 1, (dice.choice(ROLES[:3]), plan[at][1], 0.0))
    return plan


class Person:
    """Lets the worker go on, whatever it was held for."""

    def __init__(self) -> None:
        self.viewer: Viewer | None = None
        self._answered: set[tuple[str, int]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="person", daemon=True)

    def __enter__(self) -> Person:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        looks = 0
        while not self._stop.wait(0.2):
            looks += 1
            if self.viewer is not None:
                self._answer(self.viewer, looks // RESUME_AGAIN)

    def _answer(self, viewer: Viewer, when: int) -> None:
        for one in waiting(viewer):
            if isinstance(one.subject, ReleaseLatch) and (one.id, when) not in self._answered:
                self._answered.add((one.id, when))
                try:
                    viewer.publish(f"control/request/{viewer.user}", f"resume {one.id}")
                except Late:
                    return


def waiting(viewer: Viewer) -> list[Escalation]:
    """What is open, by the newest message on each escalation's topic."""
    newest = {one.topic: one.payload for one in viewer.all("escalation")}
    return [one for one in newest.values() if isinstance(one, Escalation) and one.is_open]


def ended(one: Seen) -> RunFinished | None:
    """The mission's end, if this message tells of it."""
    return one.payload.body if one.topic == "event/run_finished" and one.message is not None else None


class Play:
    """One round in ``root``."""

    def __init__(self, root: Path, seed: int, broker: str) -> None:
        self.daemon = Daemon(root=root, broker=broker)
        self.round = Round(seed=seed)
        self.watched: list[Viewer] = []
        self.deaths: list[float] = []
        """Wall-clock times around which a viewer may have missed something."""

    def __call__(self) -> Round:
        """Plays it and judges it."""
        began = time.monotonic()
        self.daemon.prepare()
        try:
            self._play()
            self._judge()
        except (Late, WatchdogdError) as why:
            self.round.faults.append(str(why))
        finally:
            self.round.took_s = time.monotonic() - began
            self.daemon.end()
        return self.round

    @property
    def newest_row(self) -> int:
        """How far the worker's record has come."""
        return records.newest(self.daemon.record("worker"))

    @property
    def over(self) -> bool:
        """Whether the mission has ended."""
        return any(ended(one) for viewer in self.watched for one in viewer.all("event/run_finished"))

    def _watch(self, person: Person) -> None:
        person.viewer = self.daemon.viewer()
        self.watched.append(person.viewer)

    def _play(self) -> None:
        self.daemon.start()
        with Person() as person:
            self._watch(person)
            for role, row, later_s in planned(self.round.seed):
                self._reach(row)
                if self.over:
                    break
                self._kill(role, later_s, person)
            finished = self.watched[-1].wait("the mission's end", ended, deadline_s=MISSION_S)
            self.round.outcome = finished.outcome
            worker, overseer = self.daemon.record("worker"), self.daemon.record("overseer")
            self.daemon.until("every event to be stored", lambda: not records.stored_faults(worker, overseer))
            self.daemon.until("every order to be applied", lambda: not records.order_faults(worker, overseer))
        if self.daemon.stop() != 0:
            self.round.faults.append("SIGTERM did not end the daemon in order")

    def _reach(self, row: int) -> None:
        self.daemon.until(f"row {row}", lambda: self.newest_row >= row or self.over, MISSION_S)

    def _kill(self, role: str, later_s: float, person: Person) -> None:
        time.sleep(later_s)
        self.deaths.append(time.time())
        self.round.kills.append((role, self.newest_row))
        self.daemon.kill(role)
        if role == "supervisor":  # what systemd would do
            time.sleep(later_s)
            self.daemon.start()
            self.deaths.append(time.time())
            self._watch(person)

    # --- what came of it ---

    def _judge(self) -> None:
        worker, overseer = self.daemon.record("worker"), self.daemon.record("overseer")
        happened = records.events(worker)
        doubts = records.in_doubt(happened)
        finished = [one.body for one in happened if isinstance(one.body, ToolFinished)]
        self.round.calls = sum(1 for one in finished if one.outcome in ("ok", "error"))
        self.round.aborted = sum(1 for one in finished if one.outcome == "aborted")
        self.round.doubts = len(doubts)
        leases = records.Leases.of(one for viewer in self.watched for one in viewer.seen)
        self.round.faults += [
            *records.chain_faults(worker),
            *records.chain_faults(overseer),
            *records.start_faults(happened, leases, ttl_s=QUICK["ttl_s"], deaths=self.deaths),
            *records.repeat_faults(happened),
            *records.stored_faults(worker, overseer),
            *records.order_faults(worker, overseer),
            *records.doubt_faults(worker, overseer),
            *self._world_faults(happened, doubts),
            *(f"left behind: {one.pid} {' '.join(one.cmdline())[:120]}" for one in self.daemon.left()),
        ]

    def _world_faults(self, happened: list[Event], doubts: dict[str, int]) -> list[str]:
        """What the workspace says: nothing happened twice, nothing happened that no row tells of."""
        entered = Counter((self.daemon.workspace / "journal.txt").read_text().split())
        wrong = [f"{part} is in the journal {times} times" for part, times in entered.items() if times > 1]
        started = {one.body.call for one in happened if isinstance(one.body, ToolStarted)}
        for number in range(1, PARTS + 1):
            call = next((one for one in started if one.startswith(f"toolu_enter_{number}_")), "")
            if f"part-{number}" in entered and not call:
                wrong.append(f"part-{number} was entered by a call that no row tells of")
            if f"part-{number}" not in entered and call not in doubts:
                wrong.append(f"part-{number} is missing from the journal, and no call about it is in doubt")
        return wrong


def played(seed: int, *, broker: str = "auto") -> Round:
    """One round in a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="watchdogd-kill-") as scratch:
        return Play(Path(scratch) / "d", seed, broker)()


def campaign(rounds: int, seed: int) -> bool:
    """Plays ``rounds`` missions, some at once, and prints what came of them; whether every promise held in all."""
    results = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(played, range(seed, seed + rounds)):
            results.append(one)
            print(one, flush=True)
            for fault in one.faults:
                print(f"    {fault}", flush=True)
    kills = Counter(role for one in results for role, _ in one.kills)
    bad = sum(1 for one in results if one.faults)
    by_role = ", ".join(f"{kills[role]} {role}" for role in ROLES)
    print(
        f"{rounds} missions of 200 calls, {sum(kills.values())} kills ({by_role}), "
        f"{sum(one.doubts for one in results)} calls in doubt, {bad} missions with faults"
    )
    return not bad


def drill() -> bool:
    """Thirty missions."""
    return campaign(ROUNDS, 1)


if __name__ == "__main__":
    held = campaign(int(sys.argv[1]) if len(sys.argv) > 1 else 3, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    sys.exit(0 if held else 1)
