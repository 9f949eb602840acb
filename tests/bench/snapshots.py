"""Checkpoints beside a tuned shadow git on the same workspace, in the same run."""

import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.workspaces import StillClock
from watchdogd.adapters.snapshots.store import SnapshotStore

SIZES = tuple(int(size) for size in os.environ.get("WATCHDOGD_BENCH_FILES", "1000,10000,50000").split(","))
WORDS = [f"{number:x}" for number in random.Random(1).sample(range(16**6), 2_000)]
GIT = {
    # What makes `add -A` fast: the untracked cache, an index with prefixes, no sync, the lightest compression.
    "core.untrackedCache": "true",
    "feature.manyFiles": "true",
    "core.preloadIndex": "true",
    "index.version": "4",
    "core.fsync": "none",
    "core.compression": "1",
    "gc.auto": "0",
    "core.autocrlf": "false",
}


class Workspace:
    """Source files of 0.1 to 10 kB, a hundred to a directory."""

    def __init__(self, root: Path, files: int) -> None:
        self.root, self.files, self._random = root, files, random.Random(files)

    def fill(self) -> None:
        """Writes all files."""
        for number in range(self.files):
            path = self.path(number)
            if number % 100 == 0:
                path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(" ".join(self._random.choices(WORDS, k=self._random.choice([20, 200, 600, 1_500]))))

    def path(self, number: int) -> Path:
        """Where file ``number`` lies."""
        return self.root / f"d{number // 1_000}" / f"e{number // 100 % 10}" / f"f{number}.py"

    def edit_ten(self) -> None:
        """Changes ten files, spread over the tree."""
        for each in range(10):
            with self.path(each * self.files // 10).open("a") as file:
                file.write(f" {self._random.random()}")

    def empty(self) -> None:
        """Takes everything away."""
        for path in self.root.iterdir():
            shutil.rmtree(path)


class ShadowGit:
    """A repository beside the workspace."""

    def __init__(self, place: Path, root: Path) -> None:
        self._env = {**os.environ, "GIT_DIR": str(place), "GIT_WORK_TREE": str(root)}
        self._root = root
        self._git("init", "-q")
        for key, value in GIT.items():
            self._git("config", key, value)

    def take(self) -> None:
        """A snapshot as far as git can."""
        self._git("add", "-A")
        self._git("write-tree")

    def restore(self) -> None:
        """Brings back what differs from the index."""
        self._git("checkout-index", "-a", "-f", "-q")

    def _git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self._root, env=self._env, check=True, capture_output=True)


def timed(act) -> float:
    """Seconds."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def settle() -> None:
    """Until what was written is older than a tick of ctime, as it is in a workspace that somebody works in."""
    time.sleep(0.25)


def rows(files: int, place: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of ours and of git's, by what was done."""
    root = place / "ws"
    root.mkdir()
    workspace = Workspace(root, files)
    workspace.fill()
    git = ShadowGit(place / "git", root)
    names = iter(range(10**6))
    found: dict[str, tuple[list[float], list[float]]] = {}
    with SnapshotStore(str(place / "state"), clock=StillClock()) as store:

        def take() -> str:
            name = f"c{next(names)}"
            manifest = store.take(str(root), id=name, deadline_s=1e6)
            assert manifest.complete, manifest.why
            return name

        def both(what: str, ours, theirs, before=settle) -> None:
            mine, others = found.setdefault(what, ([], []))
            before()
            mine.append(timed(ours))
            if theirs is not None:
                before()
                others.append(timed(theirs))

        def edited() -> None:
            workspace.edit_ten()
            settle()

        def emptied() -> None:
            workspace.empty()
            settle()

        both("cold", take, git.take)
        git.take()
        rounds = 5 if files <= 10_000 else 3
        for _ in range(rounds):
            both("no change", take, git.take)
            both("ten changes", take, git.take, edited)
        good = take()
        git.take()
        for number in range(3):
            both(
                "restore of ten",
                lambda number=number: store.restore(good, str(root), quarantine_id=f"ten{number}"),
                git.restore,
                edited,
            )
        both(
            "restore into an emptied workspace",
            lambda: store.restore(good, str(root), quarantine_id="all"),
            git.restore,
            emptied,
        )
        assert store.diff(good, str(root)).items == ()
    with SnapshotStore(str(place / "state"), clock=StillClock()) as store:
        both("no change, after a restart", lambda: store.take(str(root), id="again", deadline_s=1e6), None)
    return found


def run() -> None:
    """Prints the measurements."""
    if shutil.which("git") is None:
        print("checkpoints: not measured beside git, which is not installed")
        return
    print("checkpoints beside tuned git (separate GIT_DIR, add -A + write-tree), medians in seconds, ours is synced")
    print(f"  {'files':>6}  {'':34} {'ours':>8} {'git':>8} {'ours/git':>9}")
    for files in SIZES:
        place = Path(tempfile.mkdtemp(prefix="watchdogd-bench-"))
        try:
            for what, (mine, others) in rows(files, place).items():
                ours = statistics.median(mine)
                theirs = statistics.median(others) if others else None
                beside = f"{theirs:8.3f} {ours / theirs:8.2f}x" if theirs is not None else f"{'':8}"
                print(f"  {files:6}  {what:34} {ours:8.3f} {beside}", flush=True)
        finally:
            shutil.rmtree(place)


if __name__ == "__main__":
    run()
