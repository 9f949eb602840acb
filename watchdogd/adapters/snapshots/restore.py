"""Bringing a workspace to a checkpoint: planned, staged and verified first, then applied, forward only.

Up to the moment the journal says ``applying`` nothing of the workspace has changed, and anything in the way (a damaged
object, a full disk, something else that writes) leaves it so. From then on the way is forward: what is left to do
is always the difference between what is and the checkpoint, so that after a crash the same plan is made again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import assert_never

from watchdogd.adapters.snapshots.archive import Archive, HashOnly, Scanned
from watchdogd.adapters.snapshots.descent import Descent, change_mode, held, remove, status
from watchdogd.adapters.snapshots.journal import Journal, Phase, clear, write
from watchdogd.adapters.snapshots.packs import sync_disk
from watchdogd.adapters.snapshots.quarantine import Moves, Quarantines
from watchdogd.adapters.snapshots.staging import Staging
from watchdogd.core.changes import shown
from watchdogd.core.errors import RestoreUnfinished, SnapshotError
from watchdogd.core.rollback import Restored
from watchdogd.core.tree import (
    Effect,
    Entry,
    Kind,
    PutFile,
    PutLink,
    PutTree,
    Quarantine,
    Residue,
    Rights,
    SetMode,
    Tree,
    Undoing,
)

_ROUNDS = 3
"""Plans made one after another before a workspace that never becomes what was planned is given up."""


@dataclass(frozen=True, slots=True)
class _Plan:
    effects: tuple[Effect, ...]
    residue: tuple[Residue, ...]


class Restoration:
    """One restore of one workspace that is open as ``fd``. ``on_step`` is called with a name before each step."""

    def __init__(
        self,
        archive: Archive,
        quarantines: Quarantines,
        fd: int,
        journal: Journal,
        *,
        nonce: Callable[[], str],
        on_step: Callable[[str], None],
    ) -> None:
        self._archive, self._quarantines, self._fd = archive, quarantines, fd
        self._journal, self._nonce, self._on_step = journal, nonce, on_step
        manifest, self._target = archive.target(journal.checkpoint)
        self._exclude = manifest.exclude
        self._rights = rights()
        self._descent = Descent(fd)
        self._changed = 0

    # --- the two ways in ----------------------------------------------------------------------------------------------

    def run(self) -> Restored:
        """The whole way.

        Raises:
            SnapshotError: it cannot be done; nothing was changed.
            RestoreUnfinished: it could not end.
        """
        present = self._scanned()
        if present.entry is None or present.why:
            raise SnapshotError(f"nothing was changed: {present.why}")
        plan = self._plan(present.entry)
        if not plan.effects:
            return Restored(checkpoint=self._journal.checkpoint, quarantine="", at="target", residue=plan.residue)
        with self._staged(plan, Phase.STAGING) as staging:
            expected = self._expected(plan)
            self._refuse_writers(present.entry, self._journal.staging)
            self._quarantines.begin(
                self._journal.quarantine,
                root=self._journal.root,
                checkpoint=self._journal.checkpoint,
                present=present.entry,
            )
            self._enter(Phase.APPLYING)
            return self._apply_until_right(plan, staging, expected)

    def finish(self) -> Restored:
        """The rest of the way, after a crash.

        Raises:
            RestoreUnfinished: it could not end this time either.
        """
        if self._journal.phase is Phase.STAGING:
            self._sweep_up()
            clear(self._archive.directory)
            return Restored(checkpoint=self._journal.checkpoint, quarantine="", at="before", finished_forward=True)
        with self._forward():
            remove(self._journal.staging, self._descent.into(""))
            plan = self._planned_now()
            with self._staged(plan, Phase.APPLYING) as staging:
                done = self._apply_until_right(plan, staging, self._expected(plan))
        return replace(done, finished_forward=True)

    # --- before anything changes --------------------------------------------------------------------------------------

    @contextmanager
    def _staged(self, plan: _Plan, phase: Phase) -> Iterator[Staging]:
        """Everything that ``plan`` needs lies in the workspace's root, verified; nothing is in place yet."""
        self._journal = replace(
            self._journal,
            phase=phase,
            staging=f".watchdogd-{self._nonce()}",
            root_mode=self._journal.root_mode if phase is Phase.APPLYING else stat.S_IMODE(os.fstat(self._fd).st_mode),
        )
        self._step("journal")
        write(self._archive.directory, self._journal)
        staging = self._staging(plan)
        try:
            self._stage(staging, plan)
            yield staging
        except BaseException as error:
            staging.close()
            if self._journal.phase is Phase.STAGING and isinstance(error, OSError | SnapshotError):
                self._sweep_up()
                clear(self._archive.directory)
                raise SnapshotError(f"nothing was changed: {error}") from error
            raise
        finally:
            self._descent.close()

    def _staging(self, plan: _Plan) -> Staging:
        whole = any(isinstance(effect, PutTree) for effect in plan.effects)
        return Staging(
            self._fd,
            self._journal.staging,
            get=self._archive.packs.get,
            load=self._archive.load,
            rights=self._rights,
            files=1_000_000 if whole else len(plan.effects),
        )

    def _stage(self, staging: Staging, plan: _Plan) -> None:
        self._step("staging")
        self._descent.into("")
        staging.make()
        for number, effect in enumerate(plan.effects):
            if isinstance(effect, PutFile | PutLink | PutTree):
                self._step(f"stage {effect.path}")
                staging.stage(number, effect)
        staging.finish()

    def _expected(self, plan: _Plan) -> dict[str, tuple[int, ...] | None]:
        """What is where something will be put, to be compared right before."""
        found: dict[str, tuple[int, ...] | None] = {}
        looking = Descent(self._fd, loosen=False)
        try:
            for effect in plan.effects:
                if isinstance(effect, PutFile | PutLink) and effect.was is not None:
                    dir_fd, name = looking.parent_of(effect.path)
                    found[effect.path] = _identity(status(name, dir_fd))
        finally:
            looking.close()
        return found

    def _refuse_writers(self, planned: Entry, hidden: str) -> None:
        again = self._archive.scan(self._fd, self._journal.root, self._exclude, HashOnly(), hidden=hidden)
        if again.entry is None or again.why:
            raise SnapshotError(f"something else writes here: {again.why}")
        if again.entry.ref != planned.ref:
            raise SnapshotError("something else writes here: the workspace changed while the restore was planned")

    def _sweep_up(self) -> None:
        """Removes what was staged; the workspace is as it was before."""
        if self._journal.staging:
            remove(self._journal.staging, self._descent.into(""))
        self._descent.tighten()
        if stat.S_IMODE(os.fstat(self._fd).st_mode) != self._journal.root_mode:
            os.fchmod(self._fd, self._journal.root_mode)
        self._quarantines.forget_empty(self._journal.quarantine)

    # --- forward ------------------------------------------------------------------------------------------------------

    def _apply_until_right(
        self, plan: _Plan, staging: Staging, expected: dict[str, tuple[int, ...] | None]
    ) -> Restored:
        moves = Moves(self._quarantines.path(self._journal.quarantine))
        try:
            with self._forward():
                for _ in range(_ROUNDS):
                    self._apply(plan, staging, moves, expected)
                    rest = self._rest_after(plan, staging)
                    if not rest.effects:
                        return self._done(rest, tuple(moves.moved))
                    moves.next_round()
                    plan, staging, expected = rest, self._next_staging(rest), self._expected(rest)
        finally:
            staging.close()
            moves.close()
        left = ", ".join(shown(effect.path) or "." for effect in plan.effects[:3])
        raise RestoreUnfinished(self._sentence(f"something else writes here: {left}"))

    def _rest_after(self, plan: _Plan, staging: Staging) -> _Plan:
        self._step("tidy")
        staging.remove()
        self._sync(many=any(isinstance(effect, PutTree) for effect in plan.effects))
        self._descent.tighten()
        self._step("verify")
        return self._planned_now()

    @contextmanager
    def _forward(self) -> Iterator[None]:
        """Whatever goes wrong from here on leaves the restore unfinished, and says so."""
        try:
            yield
        except RestoreUnfinished:
            raise
        except (OSError, SnapshotError) as error:
            raise RestoreUnfinished(self._sentence(str(error))) from error

    def _next_staging(self, plan: _Plan) -> Staging:
        self._journal = replace(self._journal, staging=f".watchdogd-{self._nonce()}")
        write(self._archive.directory, self._journal)
        staging = self._staging(plan)
        self._stage(staging, plan)
        return staging

    def _apply(self, plan: _Plan, staging: Staging, moves: Moves, expected: dict[str, tuple[int, ...] | None]) -> None:
        for number, effect in enumerate(plan.effects):
            self._step(f"{type(effect).__name__} {effect.path}")
            match effect:
                case Quarantine():
                    dir_fd, name = self._descent.parent_of(effect.path)
                    moves.take(name, dir_fd, effect.path, "not in the checkpoint")
                case PutFile() | PutLink():
                    self._put(str(number), effect, staging, moves, expected.get(effect.path))
                    self._changed += 1
                case PutTree():
                    self._put(str(number), effect, staging, moves, None)
                    self._step(f"modes in {effect.path}")
                    dir_fd, name = self._descent.parent_of(effect.path)
                    staging.finish_directory(effect.entry, name, dir_fd)
                    self._changed += 1
                case SetMode():
                    self._set_mode(effect)
                    self._changed += 1
                case _:
                    assert_never(effect)

    def _put(
        self,
        staged: str,
        effect: PutFile | PutLink | PutTree,
        staging: Staging,
        moves: Moves,
        expected: tuple[int, ...] | None,
    ) -> None:
        dir_fd, name = self._descent.parent_of(effect.path)
        if _identity(status(name, dir_fd)) != expected:
            # Nobody has seen what is there now; it is nowhere stored, so it is kept.
            moves.next_round()
            moves.take(name, dir_fd, effect.path, "appeared while the checkpoint was restored")
        os.rename(staged, name, src_dir_fd=staging.fd, dst_dir_fd=dir_fd)

    def _set_mode(self, effect: SetMode) -> None:
        entry = self._rights.possible(effect.entry)
        if not effect.path:
            if self._rights.privileged:
                os.fchown(self._fd, entry.uid, entry.gid)
            os.fchmod(self._fd, entry.mode)
            self._descent.loosened.pop("", None)
            return
        dir_fd, name = self._descent.parent_of(effect.path)
        with held(name, dir_fd) as (fd, found):
            same_kind = stat.S_ISDIR(found.st_mode) if entry.kind is Kind.DIR else stat.S_ISREG(found.st_mode)
            if not same_kind or (entry.kind is Kind.FILE and found.st_nlink > 1):
                return  # the next plan sees what it is now
            if self._rights.privileged:
                os.chown(f"/proc/self/fd/{fd}", entry.uid, entry.gid)
            change_mode(fd, entry.mode)
        self._descent.loosened.pop(effect.path, None)

    def _sync(self, *, many: bool) -> None:
        for path in sorted(self._descent.entered):
            try:
                os.fsync(self._descent.into(path))
            except (FileNotFoundError, NotADirectoryError):
                continue
        self._descent.entered.clear()
        if many:
            sync_disk(self._fd)

    # --- looking ------------------------------------------------------------------------------------------------------

    def _scanned(self) -> Scanned:
        """The workspace as it is, its contents stored: what gets overwritten must be somewhere."""
        with self._archive.writing(f"before-{self._journal.quarantine}") as writer:
            found = self._archive.scan(self._fd, self._journal.root, self._exclude, writer)
            writer.finish()
            return found

    def _planned_now(self) -> _Plan:
        present = self._scanned()
        if present.entry is None or present.why:
            raise RestoreUnfinished(self._sentence(present.why))
        return self._plan(present.entry)

    def _plan(self, present: Entry) -> _Plan:
        cached: dict[str, Tree] = {}

        def load(ref: str) -> Tree:
            found = cached.get(ref)
            if found is None:
                found = cached[ref] = self._archive.load(ref)
            return found

        steps = list(Undoing(load, self._rights).steps(self._target, present))
        return _Plan(
            tuple(step for step in steps if not isinstance(step, Residue)),
            tuple(step for step in steps if isinstance(step, Residue)),
        )

    def _done(self, plan: _Plan, moved: tuple[str, ...]) -> Restored:
        self._step("done")
        clear(self._archive.directory)
        return Restored(
            checkpoint=self._journal.checkpoint,
            quarantine=self._journal.quarantine,
            at="target",
            changed=self._changed,
            quarantined=moved,
            residue=plan.residue,
        )

    def _enter(self, phase: Phase) -> None:
        self._step("apply")
        ahead = replace(self._journal, phase=phase)
        write(self._archive.directory, ahead)
        self._journal = ahead

    def _step(self, name: str) -> None:
        self._on_step(name)

    def _sentence(self, why: str) -> str:
        return f"the restore of {self._journal.checkpoint} is unfinished and goes on later: {why}"


def rights() -> Rights:
    """What this process may give away."""
    uid = os.geteuid()
    if uid == 0:
        with open("/proc/self/uid_map", encoding="ascii") as lines:  # noqa: PTH123 - one style of paths in this package
            everyone = lines.read().split() == ["0", "0", "4294967295"]
        if everyone:
            return Rights(privileged=True)
    return Rights(privileged=False, uid=uid, groups=frozenset({os.getegid(), *os.getgroups()}))


def _identity(found: os.stat_result | None) -> tuple[int, ...] | None:
    if found is None:
        return None
    # Not ctime: replacing one name of a file changes it for the others.
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode
