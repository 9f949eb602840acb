"""Applies each mutant to a copy of the tree and runs its checks there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.mutant import Edit, Mutant, Schedules, Tests

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("watchdogd", "tests", "pyproject.toml", "configs", "systemd", "docs", "Makefile", "README.md")
AT_MOST_S = 300
"""A check that takes longer is stopped and counts as red: a hang is seen too (seconds)."""
FAILED = 1
"""Exit status of pytest when tests ran and failed, and of the simulation when a promise broke."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a mutant."""

    mutant: Mutant
    killed: bool
    by: str
    """Which test or promise turned red, or what went wrong."""
    took_s: float
    error: bool = False
    """It could not be tried at all."""

    @property
    def fine(self) -> bool:
        """Killed, or green for a written reason."""
        return not self.error and (self.killed or bool(self.mutant.why_green))


class Misfit(Exception):
    """A mutant does not fit the source any more."""


class Copy:
    """A copy of the tree that mutants are applied to, one after the other."""

    def __init__(self, place: Path) -> None:
        self.root = place
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            elif source.exists():
                shutil.copy2(source, place / name)

    def apply(self, edits: Sequence[Edit]) -> dict[Path, str]:
        """Edits the copy; returns the texts to restore.

        Raises:
            Misfit: a file is missing or its text does not contain ``old`` exactly once.
        """
        before: dict[Path, str] = {}
        try:
            for edit in edits:
                self._apply(edit, before)
        except Misfit:
            self.restore(before)
            raise
        return before

    def _apply(self, edit: Edit, before: dict[Path, str]) -> None:
        path = self.root / edit.file
        if not path.exists():
            raise Misfit(f"{edit.file} does not exist")
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise Misfit(f"{edit.file} has {text.count(edit.old)} times: {edit.old.strip().splitlines()[0]!r}")
        before.setdefault(path, text)
        path.write_text(text.replace(edit.old, edit.new))
        self._forget(path)

    def restore(self, before: dict[Path, str]) -> None:
        """Puts the texts back."""
        for path, text in before.items():
            path.write_text(text)
            self._forget(path)

    def _forget(self, path: Path) -> None:
        """Compiled files are told apart by second and size only: too coarse here."""
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def run(self, check: Tests | Schedules) -> tuple[int, str]:
        """Exit status and output of one check."""
        if isinstance(check, Tests):
            command = ["-m", "pytest", "-q", "-x", "--no-header", "--tb=line", "-p", "no:cacheprovider", *check.nodes]
        else:
            command = ["-m", "tests.protocol", "0", str(check.last), *([check.kind] if check.kind else [])]
        env = {**os.environ, "PYTHONPATH": str(self.root)}
        try:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=self.root,
                env=env,
                capture_output=True,
                text=True,
                timeout=AT_MOST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return FAILED, f"no end within {AT_MOST_S} s"
        return done.returncode, done.stdout + done.stderr


def red(check: Tests | Schedules, output: str) -> str:
    """Which test or promise it was."""
    lines = [line for line in output.splitlines() if line.strip()]
    if isinstance(check, Tests):
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        return failed[0].split(" - ")[0].removeprefix("FAILED ") if failed else lines[-1]
    return lines[-1]


def tried(copy: Copy, mutant: Mutant) -> Result:
    """Applies ``mutant``, runs its checks until one is red, and takes it back."""
    began = time.perf_counter()

    def result(killed: bool, by: str, *, error: bool = False) -> Result:
        return Result(mutant, killed, by, time.perf_counter() - began, error)

    try:
        before = copy.apply(mutant.edits)
    except Misfit as why:
        return result(False, str(why), error=True)
    try:
        for check in mutant.checks:
            status, output = copy.run(check)
            if status == FAILED:
                return result(True, red(check, output))
            if status != 0:
                return result(False, f"exit status {status}: {output.strip()[-300:]}", error=True)
        return result(False, "nothing turned red")
    finally:
        copy.restore(before)


def baseline(copy: Copy, mutants: Sequence[Mutant]) -> str:
    """Why the named tests prove nothing: one of them is red without any mutant; empty = all are green."""
    nodes = {node for one in mutants for check in one.checks if isinstance(check, Tests) for node in check.nodes}
    if not nodes:
        return ""
    status, output = copy.run(Tests(tuple(sorted(nodes))))
    return "" if status == 0 else output.strip()[-2_000:]


def results(mutants: Sequence[Mutant], place: Path, jobs: int) -> Iterator[Result]:
    """The result of each mutant, in order."""
    copies: SimpleQueue[Copy] = SimpleQueue()
    for n in range(jobs):
        copies.put(Copy(place / f"copy{n}"))

    def one(mutant: Mutant) -> Result:
        copy = copies.get()
        try:
            return tried(copy, mutant)
        finally:
            copies.put(copy)

    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(one, mutants)
