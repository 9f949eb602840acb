"""The guards of checkpoints, restores, freezing and killing."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, Tests

SNAPSHOTS = "watchdogd/adapters/snapshots"
SCAN = f"{SNAPSHOTS}/scan.py"
PACKS = f"{SNAPSHOTS}/packs.py"
RESTORE = f"{SNAPSHOTS}/restore.py"
STORE = f"{SNAPSHOTS}/store.py"
ARCHIVE = f"{SNAPSHOTS}/archive.py"
COLLECTION = f"{SNAPSHOTS}/collection.py"
DESCENT = f"{SNAPSHOTS}/descent.py"
MANIFESTS = f"{SNAPSHOTS}/manifests.py"
ROOTS = f"{SNAPSHOTS}/roots.py"
TREE = "watchdogd/core/tree.py"
CHECKPOINT = "watchdogd/core/checkpoint.py"
ROLLBACK = "watchdogd/core/rollback.py"
PROCTREE = "watchdogd/adapters/proctree.py"
PROCTABLE = "watchdogd/adapters/proctable.py"
CGROUP = "watchdogd/adapters/cgroup.py"


def _tests(file: str, *names: str) -> tuple[Tests]:
    return (Tests(tuple(f"tests/{file}.py::{name}" for name in names)),)


def _one(guard: str, how: str, file: str, old: str, new: str, checks: tuple[Tests]) -> Mutant:
    return Mutant(guard, how, (Edit(file, old, new),), checks)


TAKING = (
    _one(
        "checkpoint: a file is opened through no link",
        "O_NOFOLLOW dropped for files",
        SCAN,
        "_READ = os.O_RDONLY | os.O_NOFOLLOW |",
        "_READ = os.O_RDONLY |",
        _tests("test_snapshots", "test_a_name_that_becomes_a_link_between_looking_and_opening_is_not_followed"),
    ),
    Mutant(
        "checkpoint: a directory is the one that was looked at",
        "O_NOFOLLOW dropped for directories, and their identity not compared",
        (
            Edit(
                SCAN,
                "_WALK = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW |",
                "_WALK = os.O_RDONLY | os.O_DIRECTORY |",
            ),
            Edit(
                SCAN,
                "if (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino):",
                "if opened.st_dev == found.st_dev:",
            ),
        ),
        _tests("test_snapshots", "test_a_name_that_becomes_a_link_between_looking_and_opening_is_not_followed"),
    ),
    _one(
        "checkpoint: a file read within its own tick is read again",
        "every signature is believed",
        SCAN,
        "if found.st_ctime_ns < safe_before and entry.ref not in _LOOK_AGAIN:",
        "if entry.ref not in _LOOK_AGAIN:",
        _tests("test_snapshots", "test_a_file_read_within_its_own_tick_is_read_again"),
    ),
    _one(
        "checkpoint: ctime tells what mtime hides",
        "the signature has no ctime",
        SCAN,
        "signature = (found.st_ino, found.st_ctime_ns, found",
        "signature = (found.st_ino, 0, found",
        _tests("test_snapshots", "test_a_change_with_size_and_mtime_put_back_is_seen"),
    ),
    _one(
        "checkpoint: a file that changes while it is read is not taken for read",
        "status is not compared after reading",
        SCAN,
        "if length == found.st_size and _signature(after) == _signature(found):",
        "if after:",
        _tests("test_snapshots", "test_a_file_that_keeps_changing_makes_a_checkpoint_incomplete"),
    ),
    _one(
        "checkpoint: a missed deadline is incomplete",
        "the deadline is not looked at",
        ARCHIVE,
        "in_time=lambda: until is None or self._clock.boot() < until,",
        "in_time=lambda: True,",
        _tests("test_snapshots", "test_a_missed_deadline_is_incomplete_and_the_next_one_gets_further"),
    ),
    _one(
        "checkpoint: a directory that was left half read is not the one that was stored",
        "its old name stays valid",
        SCAN,
        'known.ref = ""  # from now on, should',
        "pass  # from now on, should",
        _tests(
            "test_snapshots",
            "test_a_missed_deadline_is_incomplete_and_the_next_one_gets_further",
            "test_two_checkpoints_can_be_compared",
        ),
    ),
    _one(
        "checkpoint: what was not stored is not remembered",
        "memory survives a failed write",
        ARCHIVE,
        "        except BaseException:\n            self._known.clear()\n            raise",
        "        except BaseException:\n            raise",
        _tests("test_snapshots", "test_after_a_failed_write_everything_is_read_again"),
    ),
    _one(
        "checkpoint: an incomplete one is never a target",
        "the flag is not looked at",
        ARCHIVE,
        "if not manifest.complete or manifest.workspace is None:",
        "if manifest.workspace is None:",
        _tests("test_snapshots", "test_an_incomplete_checkpoint_with_a_tree_is_no_target"),
    ),
    _one(
        "checkpoint: a home directory is refused",
        "homes are not looked at",
        ROOTS,
        "if own in set(_identities(home)):",
        "if own == ():",
        _tests("test_snapshots_roots", "test_a_home_directory_is_refused"),
    ),
    _one(
        "checkpoint: the state directory is refused by its identity",
        "it is not looked at",
        ROOTS,
        "if own in set(_identities(state)):",
        "if own == ():",
        _tests("test_snapshots_roots", "test_the_state_directory_and_what_holds_it_are_refused"),
    ),
)

KEEPING = (
    _one(
        "checkpoint: every object is verified when it is read",
        "the digest is not compared",
        PACKS,
        "if hashlib.sha256(data).digest() != digest:",
        "if not digest:",
        _tests("test_snapshots", "test_a_flipped_bit_is_found_by_verify_and_stops_a_restore_before_it_begins"),
    ),
    _one(
        "checkpoint: a manifest is verified when it is read",
        "the digest is not compared",
        MANIFESTS,
        'if digest(canonical(body)) != outer["digest"]:',
        "if not outer:",
        _tests("test_snapshots", "test_a_damaged_manifest_is_listed_as_incomplete_and_never_a_target"),
    ),
    _one(
        "checkpoint: a pack is never overwritten",
        "nobody looks whether there is one",
        PACKS,
        'if os.path.exists(f"{self._packs.directory}/{self._name}.pack"):',
        "if not self._name:",
        _tests("test_snapshots", "test_a_pack_is_never_overwritten"),
    ),
    _one(
        "checkpoint: collecting enters every directory, also one whose bytes a file has",
        "objects that are known to be needed are not entered",
        COLLECTION,
        "    if ref in walked:\n",
        "    if ref in walked or bytes.fromhex(ref[1:]) in live:\n",
        _tests("test_snapshots", "test_a_file_with_the_bytes_of_a_directorys_entries_does_not_confuse_collecting"),
    ),
    _one(
        "checkpoint: collecting spares what is remembered",
        "only checkpoints count",
        ARCHIVE,
        "                collection.reach_known(known, live, self.packs.get)",
        "                pass",
        _tests("test_snapshots", "test_a_checkpoint_after_collecting_holds_what_was_read_before"),
    ),
    _one(
        "checkpoint: collecting spares what quarantines refer to",
        "only checkpoints count",
        ARCHIVE,
        "                collection.reach(ref, live, walked, self.packs.get)",
        "                pass",
        _tests("test_snapshots", "test_what_a_restore_overwrote_stays_as_long_as_its_quarantine"),
    ),
    _one(
        "checkpoint: a directory's entries hold names, not paths",
        "names are not looked at",
        f"{SNAPSHOTS}/trees.py",
        'if not _NOT_NAMES.isdisjoint(found) or any("/" in name or "\\0" in name for name in found):',
        "if not found and None:",
        _tests("test_snapshots", "test_a_forged_directory_cannot_lead_out_of_the_workspace"),
    ),
)

RESTORING = (
    _one(
        "restore: refuses while something else writes",
        "no second look",
        RESTORE,
        "            self._refuse_writers(present.entry, self._journal.staging)\n",
        "",
        _tests("test_snapshots_crash", "test_a_restore_refuses_while_something_else_writes"),
    ),
    _one(
        "restore: what appears at the last moment is kept",
        "what is there is not compared",
        RESTORE,
        "if _identity(status(name, dir_fd)) != expected:",
        "if False:",
        _tests("test_snapshots_crash", "test_what_appears_at_the_last_moment_is_kept"),
    ),
    _one(
        "restore: the journal is on disk before anything changes",
        "it stays at staging",
        RESTORE,
        "        write(self._archive.directory, ahead)\n",
        "",
        _tests(
            "test_snapshots_crash",
            "test_a_restore_that_dies_before_any_of_its_steps_is_finished_or_never_began",
        ),
    ),
    _one(
        "restore: it ends only when every path was compared",
        "the plan is not made again",
        RESTORE,
        "                    if not rest.effects:\n",
        "                    if rest:\n",
        _tests(
            "test_snapshots_crash",
            "test_a_writer_that_never_stops_leaves_the_restore_unfinished_and_recoverable",
        ),
    ),
    _one(
        "restore: an unfinished one comes first",
        "checkpoints are taken in between",
        STORE,
        "        way = self.unfinished()\n        if way is not None:\n            raise",
        "        way = self.unfinished()\n        if way is not None and not way:\n            raise",
        _tests(
            "test_snapshots_crash",
            "test_a_writer_that_never_stops_leaves_the_restore_unfinished_and_recoverable",
        ),
    ),
    _one(
        "restore: another directory of that name is not the one that was begun",
        "device and inode are not compared",
        STORE,
        "if (found.st_dev, found.st_ino) != (way.device, way.inode):",
        "if found.st_dev != way.device:",
        _tests("test_snapshots_crash", "test_a_recovery_in_another_directory_of_that_name_is_refused"),
    ),
    _one(
        "restore: a directory is entered through no link",
        "O_NOFOLLOW dropped on the way down",
        DESCENT,
        "_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW |",
        "_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY |",
        _tests("test_snapshots_crash", "test_a_directory_swapped_for_a_link_does_not_lead_out"),
    ),
    _one(
        "restore: permissions are not changed through a second name",
        "hard links are not looked at",
        TREE,
        "if want.kind is Kind.LINK or HARD_LINK in have.notes:",
        "if want.kind is Kind.LINK:",
        _tests("core/test_tree", "test_a_file_with_a_second_name_is_made_anew_instead_of_changed"),
    ),
    _one(
        "restore: setuid is not given to another owner",
        "the bit is kept",
        TREE,
        "return replace(entry, mode=entry.mode & ~drop) if entry.mode & drop else entry",
        "return entry",
        _tests("core/test_tree", "test_without_privileges_owners_are_left_and_setuid_of_others_is_dropped"),
    ),
    _one(
        "restore: what is excluded stays where its directory goes",
        "directories go whole",
        TREE,
        "return any(inner.left_alone or self._holds_left_alone(inner) for inner in self.load(have.ref).values())",
        "return False",
        _tests("core/test_tree", "test_a_new_directory_with_something_excluded_in_it_is_emptied_around_it"),
    ),
    _one(
        "rollback: the present is saved before anything is restored",
        "it is not",
        ROLLBACK,
        "if not now.saved and not now.workspace:",
        "if False:",
        _tests("core/test_rollback", "test_a_rollback_survives_a_crash_after_any_step"),
    ),
    _one(
        "rollback: the target has passed inspection",
        "any complete checkpoint will do",
        CHECKPOINT,
        "return point.complete and inspected and not tainted(point, past)",
        "return point.complete and not tainted(point, past)",
        _tests("core/test_checkpoint", "test_there_is_no_target_when_nothing_passed_before_the_onset"),
    ),
    _one(
        "rollback: a later onset takes the standing back",
        "onsets do not taint",
        CHECKPOINT,
        "return point.complete and inspected and not tainted(point, past)",
        "return point.complete and inspected",
        _tests(
            "core/test_checkpoint",
            "test_a_later_onset_takes_the_standing_back_and_a_withdrawn_one_gives_it_again",
        ),
    ),
)

PROVING = (
    _one(
        "freeze: one look is not enough",
        "the first calm scan ends it",
        PROCTREE,
        "quiet = 0 if undone or names - before else quiet + 1",
        "quiet = _QUIET_SCANS",
        _tests("test_proctree", "test_a_process_in_uninterruptible_sleep_is_not_called_frozen"),
    ),
    _one(
        "freeze: every thread stands still",
        "only the leader is looked at",
        PROCTABLE,
        "    return seen.threads <= 1 or thread_states(seen.pid) <= DEAD\n",
        "    return True\n",
        _tests("test_proctree", "test_a_thread_that_outlives_its_leader_is_not_called_exited"),
    ),
    Mutant(
        "freeze: a pid that was given to another process is not signalled",
        "start times are not compared",
        (
            Edit(
                PROCTREE,
                "                self._known.get(seen.pid) == seen.started\n",
                "                seen.pid in self._known\n",
            ),
            Edit(
                PROCTREE,
                "return pid in processes and processes[pid].started == started",
                "return pid in processes and bool(started)",
            ),
        ),
        _tests("test_proctree", "test_a_pid_given_to_another_process_is_never_signalled"),
    ),
    _one(
        "freeze: adopted orphans belong to the tree",
        "they are not looked for",
        PROCTREE,
        "or (adopting and seen.started >= oldest and",
        "or (False and seen.started >= oldest and",
        _tests("test_proctree", "test_an_adopting_process_finds_orphans_that_hide_everything_else"),
    ),
    _one(
        "freeze: the kernel's word is waited for",
        "writing is taken for done",
        CGROUP,
        'if events.get("frozen") != "1":\n                return',
        "if not events:\n                return",
        _tests("test_cgroup", "test_a_freeze_that_does_not_come_in_time_is_unproven"),
    ),
    _one(
        "freeze: what left its cgroup is brought back",
        "nobody looks for it",
        CGROUP,
        "        outside = children.difference(pids)\n",
        "        outside = children.intersection(())\n",
        _tests("test_cgroup", "test_a_process_that_left_its_cgroup_is_brought_back_and_frozen"),
    ),
    _one(
        "kill: nothing is left, by the kernel's word and by a look",
        "what left the cgroup is not killed",
        CGROUP,
        "        left = self._strays.kill()\n",
        "        left = ProcessTree(now=self._now).kill()\n",
        _tests(
            "test_cgroup",
            "test_a_process_that_left_and_cannot_be_brought_back_leaves_the_freeze_unproven",
        ),
    ),
)

CHECKPOINTS: tuple[Mutant, ...] = (*TAKING, *KEEPING, *RESTORING, *PROVING)
"""In the order of what happens to a workspace."""
