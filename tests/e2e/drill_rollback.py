"""kill -9 of every process while the worker returns to a checkpoint, again and again."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import override

from tests.e2e import records
from tests.e2e.daemon import NO_JUDGE, SCENARIOS, Daemon
from tests.e2e.viewer import Late, Viewer
from watchdogd.core.errors import WatchdogdError
from watchdogd.core.events import RolledBack

ROLES = ("worker", "overseer", "broker", "supervisor")
ROUNDS = 200
IN_ONE_LIFE = 8
"""Returns with one daemon: fewer than the deaths of one process after which it is given up."""
AT_ONCE = 3
LATEST_S = 0.6
"""The process dies between the request and this much later (seconds): before, while and after files move."""
FILES = 300
LONGEST_S = 180.0
"""No return takes that long, with processes that have to start again, on a busy machine (seconds)."""
MISSION = """[missions.change]
goal = "Change everything."
budget_usd = 1.0"""

Tree = Mapping[str, tuple[int, str]]


@dataclass
class Life:
    """One daemon and the returns it was killed in."""

    seed: int
    returns: list[str] = field(default_factory=list)
    """For each: who died when, and where the tree ended."""
    faults: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.0

    @override
    def __str__(self) -> str:
        verdict = "BAD" if self.faults else "good"
        return f"seed {self.seed}: {verdict}; {'; '.join(self.returns)}; {self.took_s:.0f} s"


def tree(root: Path) -> Tree:
    """Every path below ``root``: mode and content."""
    found: dict[str, tuple[int, str]] = {}
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            path = Path(directory) / name
            status = path.lstat()
            if path.is_symlink():
                content = str(path.readlink())
            else:
                content = "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(root))] = (status.st_mode, content)
    return found


def difference(one: Tree, other: Tree) -> str:
    """The first paths that are not alike."""
    odd = sorted(path for path in {*one, *other} if one.get(path) != other.get(path))
    return f"{len(odd)} paths, {', '.join(odd[:4])}"


class Play:
    """One life in ``root``."""

    def __init__(self, root: Path, seed: int, rounds: int) -> None:
        self.daemon = Daemon(
            root=root, scenario=SCENARIOS / "two-states.toml", mission=MISSION, judge=NO_JUDGE, trigger="request"
        )
        self.life, self.rounds = Life(seed=seed), rounds
        self.dice = random.Random(seed)

    def __call__(self) -> Life:
        """Plays it and judges it."""
        began = time.monotonic()
        self.daemon.prepare()
        workspace = self.daemon.workspace
        for number in range(FILES):
            (workspace / f"part-{number}.txt").write_text(f"{number}\n" * 20)
        (workspace / "sub").mkdir()
        (workspace / "sub" / "a.txt").write_text("a")
        try:
            self._play()
        except (Late, WatchdogdError, OSError) as why:
            self.life.faults.append(str(why))
        finally:
            self.life.took_s = time.monotonic() - began
            self.daemon.end()
        return self.life

    def _play(self) -> None:
        daemon, first = self.daemon, tree(self.daemon.workspace)
        daemon.start()
        operator = daemon.viewer()
        operator.ask("run", "change")
        target = str(operator.event("checkpoint_taken").body.checkpoint)
        operator.event("run_finished")
        states = {target: first}
        for number in range(self.rounds):
            present = tree(daemon.workspace)
            back = self._return(number, target)
            now = tree(daemon.workspace)
            expected = states[target] if back.at == "target" else present
            self.life.ends[back.at] += 1
            if now != expected:
                self.life.faults.append(f"return {number} says {back.at}: {difference(now, expected)}")
            if back.ok:
                states[back.saved_as] = present
                target = back.saved_as
        self.life.faults += records.chain_faults(daemon.record("worker"))
        self.life.faults += records.chain_faults(daemon.record("overseer"))
        if daemon.stop() != 0:
            self.life.faults.append("SIGTERM did not end the daemon in order")

    def _return(self, number: int, target: str) -> RolledBack:
        """Orders a return, kills a process in the middle of it, and waits for what is said of it."""
        daemon, role = self.daemon, self.dice.choice(ROLES)
        before = len(self._said())
        viewer = self._connected()
        viewer.say("rollback", target, "yes", name=f"return-{number}")
        later_s = self.dice.random() * LATEST_S
        time.sleep(later_s)
        daemon.kill(role)
        self.life.kills[role] += 1
        if role == "supervisor":
            daemon.start()
        again = self._connected()
        until = time.monotonic() + LONGEST_S
        while len(self._said()) <= before:  # the request may have died with the broker; its name is carried out once
            if time.monotonic() > until:
                raise Late(f"no end of return {number} after {LONGEST_S:.0f} s\n{daemon.logs()}")
            again.say("rollback", target, "yes", name=f"return-{number}")
            time.sleep(1)
        daemon.until("every return to be over", self._idle)
        said = self._said()[before:]
        back = next((one for one in reversed(said) if one.ok), said[-1])
        self.life.returns.append(f"{role}+{later_s:.2f}s {back.at}")
        return back

    def _connected(self) -> Viewer:
        """A new connection, as soon as there is a broker to connect to."""

        def tried() -> Viewer | None:
            try:
                return self.daemon.viewer()
            except OSError:
                return None

        return self.daemon.until("a broker", tried)

    def _said(self) -> list[RolledBack]:
        found = [one.body for one in records.events(self.daemon.record("worker")) if isinstance(one.body, RolledBack)]
        return [one for one in found if one.at != "between"]

    def _idle(self) -> bool:
        overseer, worker = self.daemon.record("overseer"), self.daemon.record("worker")
        if records.cells(overseer, "returning/") or records.cells(worker, "rollback"):
            return False
        desired = records.cells(overseer, "desired")["desired"]
        return not records.cells(overseer, "order/") and not any(
            one["name"].startswith("rollback/") for one in desired["latches"]
        )


def played(seed: int, rounds: int = IN_ONE_LIFE) -> Life:
    """One life in a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="watchdogd-return-") as scratch:
        return Play(Path(scratch) / "d", seed, rounds)()


def drill(rounds: int = ROUNDS, seed: int = 1) -> bool:
    """All of them, some daemons at once; prints what came of them; whether no tree was ever left between."""
    lives = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for one in pool.map(played, range(seed, seed + rounds // IN_ONE_LIFE)):
            lives.append(one)
            print(one, flush=True)
            for fault in one.faults:
                print(f"    {fault}", flush=True)
    kills: Counter[str] = sum((one.kills for one in lives), Counter())
    ends: Counter[str] = sum((one.ends for one in lives), Counter())
    by_role = ", ".join(f"{kills[role]} {role}" for role in ROLES)
    bad = sum(1 for one in lives if one.faults)
    print(
        f"{kills.total()} returns with a kill -9 in each ({by_role}): ended at the target {ends['target']}, "
        f"at the state before {ends['before']}; {bad} daemons with faults"
    )
    return bad == 0
