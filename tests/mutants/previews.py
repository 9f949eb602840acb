"""The guards of previews and dry runs: nothing of what happens in a copy reaches the workspace or the network."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, Tests

ACCESS = "watchdogd/core/access.py"
GATE = "watchdogd/worker/gate.py"
MISSIONS = "watchdogd/worker/missions.py"
RUN = "watchdogd/worker/run.py"
WORK = "watchdogd/worker/preview.py"
SHELL = "watchdogd/worker/tools/shell.py"
MAKING = "watchdogd/adapters/previews.py"
COPY = "watchdogd/adapters/snapshots/preview.py"
TOOLBOXES = "watchdogd/adapters/toolboxes.py"
SANDBOX = "watchdogd/adapters/sandbox.py"
BUBBLEWRAP = "watchdogd/adapters/bubblewrap.py"


def _one(guard: str, how: str, edit: Edit, test: str) -> Mutant:
    return Mutant(f"preview: {guard}", how, (edit,), (Tests((test,)),))


def _gate(guard: str, how: str, old: str, new: str, test: str) -> Mutant:
    return _one(guard, how, Edit(GATE, old, new), f"tests/protocol/test_gate.py::{test}")


def _run(guard: str, how: str, edit: Edit, test: str) -> Mutant:
    return _one(guard, how, edit, f"tests/test_dry_runs.py::{test}")


def _copy(guard: str, how: str, edit: Edit, test: str) -> Mutant:
    return _one(guard, how, edit, f"tests/test_previews.py::{test}")


PREVIEWS: tuple[Mutant, ...] = (
    _one(
        "a dry run is held to its own rules",
        "the level decides as for any other run",
        Edit(ACCESS, "    elif dry_run:\n", "    elif dry_run and False:\n"),
        "tests/core/test_access.py::test_no_level_and_no_approval_lets_a_dry_run_out_of_its_copy",
    ),
    _one(
        "the mission's own command at level observe",
        "done_when runs in the workspace at every level",
        Edit(ACCESS, "    if only_previews(level) and act.impact in", "    if False and act.impact in"),
        "tests/core/test_access.py::test_the_missions_own_command_changes_nothing_where_the_worker_may_not",
    ),
    _gate(
        "the mission's own command with network",
        "the workspace is writable for it",
        "            call = _looking_only(call)\n",
        "            pass\n",
        "test_the_missions_own_command_only_looks_where_the_worker_may_only_look",
    ),
    _gate(
        "shadow mode",
        "shadow mode lets a dry run do what is refused",
        "is Mode.SHADOW and not run.dry_run",
        "is Mode.SHADOW",
        "test_nothing_of_a_dry_run_leaves_the_machine_in_any_mode",
    ),
    _gate(
        "no copy, no call",
        "where no copy can be had the call runs where it is",
        '            return self._deny(call, "preview", f"{why}, and it cannot be previewed: {none}", instead)\n',
        '            del none, instead\n            return self._start(run, call, intent, "")\n',
        "test_without_a_copy_nothing_is_previewed_and_nothing_runs",
    ),
    _gate(
        "a call that does not start",
        "its copy is kept",
        "            if passed is None:\n                await stage.discard()\n",
        "            pass\n",
        "test_a_copy_is_thrown_away_when_the_disk_refuses_the_start",
    ),
    _gate(
        "what runs is the call in the copy",
        "the call over the workspace is handed on",
        "runs = stage.call if stage is not None else call",
        "runs = call",
        "test_what_a_level_only_previews_runs_in_a_copy_and_says_so",
    ),
    _gate(
        "in doubt",
        "a preview that was cut off counts as an effect",
        " or stage is not None or run.dry_run",
        " or run.dry_run",
        "test_what_a_level_only_previews_runs_in_a_copy_and_says_so",
    ),
    _run(
        "a dry run begins with its copy",
        "it begins without one",
        Edit(
            MISSIONS,
            "        if run.dry_run:\n            self._runner.run_now",
            "        if False:\n            self._runner.run_now",
        ),
        "test_without_a_copy_a_dry_run_ends_before_its_first_step",
    ),
    _run(
        "a dry run that was interrupted",
        "the next worker goes on with it",
        Edit(MISSIONS, "lost=recovered.dry_run", "lost=False"),
        "test_a_dry_run_whose_worker_died_is_ended_and_never_goes_on_without_its_copy",
    ),
    _run(
        "the mission's start",
        "a dry run that was left over stands in for it",
        Edit(MISSIONS, "open_run is None or open_run.dry_run or", "open_run is None or"),
        "test_a_dry_run_left_over_from_before_is_no_start_of_its_mission",
    ),
    _run(
        "the copy of a worker that ends",
        "it stays",
        Edit(
            MISSIONS,
            "        finally:\n            await self._rehearsals.discard()",
            "        finally:\n            pass",
        ),
        "test_a_worker_that_is_drained_throws_the_copy_away_and_leaves_the_run_to_be_ended",
    ),
    _run(
        "the disk floor",
        "a dry run holds there, and its copy keeps the room",
        Edit(RUN, "if run.dry_run and (why :=", "if False and (why :="),
        "test_a_dry_run_ends_at_the_disk_floor_where_others_hold",
    ),
    _copy(
        "the toolbox of a dry run",
        "it is whichever dry run's is there",
        Edit(WORK, "if self._toolbox is None or self._run != run.id", "if self._toolbox is None"),
        "test_a_dry_run_without_its_copy_has_no_tools_at_all",
    ),
    _copy(
        "the tools over the workspace",
        "a dry run gets them too",
        Edit(TOOLBOXES, "        if run.dry_run:\n            raise", "        if False:\n            raise"),
        "test_the_tools_over_the_workspace_are_never_handed_to_a_dry_run",
    ),
    _copy(
        "tools over a copy",
        "the workspace passes for its own copy",
        Edit(TOOLBOXES, "        if not copy or place.is_relative_to", "        if False and place.is_relative_to"),
        "test_no_tools_are_made_over_a_copy_that_is_the_workspace",
    ),
    _copy(
        "the shell where nothing is contained",
        "it is offered in a copy",
        Edit(TOOLBOXES, "sandbox = self._sandbox if contained or not copy else None", "sandbox = self._sandbox"),
        "test_without_containment_a_copy_has_no_shell",
    ),
    _copy(
        "no containment",
        "it takes a copy's profile, and runs outside of it",
        Edit(SANDBOX, "        if profile.shown_as:\n", "        if False:\n"),
        "test_no_containment_refuses_a_copy_by_itself",
    ),
    _copy(
        "the copy in the sandbox",
        "the workspace passes for its own copy",
        Edit(
            BUBBLEWRAP,
            "    if _is_below(workspace, (shown,)) or _is_below(shown, (workspace,)) or",
            "    if False and",
        ),
        "test_what_shares_its_place_with_the_workspace_is_no_copy_of_it",
    ),
    _copy(
        "network in the sandbox",
        "a copy is shown with network",
        Edit(BUBBLEWRAP, "    if profile.network:\n        raise", "    if False:\n        raise"),
        "test_a_copy_is_never_shown_with_network",
    ),
    _copy(
        "network of the shell",
        "a preview has the network of its class",
        Edit(SHELL, " and not self._profile.shown_as", ""),
        "test_a_preview_has_no_network",
    ),
    _copy(
        "protected paths",
        "a copy has none",
        Edit(BUBBLEWRAP, "args += _walls(workspace, shown, protected)", "pass"),
        "test_what_is_protected_is_protected_in_the_copy_too",
    ),
    _copy(
        "absolute denials",
        "they name nothing in the copy",
        Edit(TOOLBOXES, "        if copy:  #", "        if False:  #"),
        "test_an_absolute_denial_names_the_same_place_in_the_copy",
    ),
    _copy(
        "room on the disk",
        "a copy may take all of it",
        Edit(COPY, "            self._archive.refuse_when_full(entry.size)\n", ""),
        "test_a_disk_that_would_be_full_gets_no_copy",
    ),
    _copy(
        "a copy that is called off",
        "it is finished first",
        Edit(MAKING, "            called_off.set()\n", ""),
        "test_making_a_copy_that_is_called_off_leaves_none",
    ),
)
