"""The guards of returning to a checkpoint: nothing is said that is not so, nothing is lost, no wrong place to go."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, Tests

WORKER = "watchdogd/worker/checkpoints.py"
OVERSEER = "watchdogd/overseer/returns.py"


def _one(guard: str, how: str, file: str, old: str, new: str, test: str) -> Mutant:
    return Mutant(f"return: {guard}", how, (Edit(file, old, new),), (Tests((test,)),))


def _worker(guard: str, how: str, old: str, new: str, test: str) -> Mutant:
    return _one(guard, how, WORKER, old, new, f"tests/test_worker_checkpoints.py::{test}")


def _overseer(guard: str, how: str, old: str, new: str, test: str) -> Mutant:
    return _one(guard, how, OVERSEER, old, new, f"tests/test_returns.py::{test}")


RETURNS: tuple[Mutant, ...] = (
    _worker(
        "a finished restore is credited to the rollback that began it",
        "any waiting rollback takes it for its own",
        "if (back.checkpoint, back.quarantine) == (waiting.rollback.target, waiting.rollback.id):",
        "if True:",
        "test_what_was_finished_belongs_to_the_rollback_that_began_it",
    ),
    _worker(
        "what is there is saved before it is changed",
        "an incomplete copy of the present is good enough",
        "        if not saved.complete:\n",
        "        if False:\n",
        "test_what_cannot_be_saved_first_is_not_returned_from",
    ),
    _worker(
        "an incomplete checkpoint is no target",
        "nobody looks",
        "        if not complete:\n",
        "        if False:\n",
        "test_an_incomplete_checkpoint_is_not_returned_to",
    ),
    _worker(
        "once files were moved the way is forward",
        "a failure is said to have changed nothing",
        "if not isinstance(why, RestoreUnfinished) and begun.back is None:",
        "if not isinstance(why, RestoreUnfinished):",
        "test_a_conversation_that_is_lost_after_the_files_moved_is_said_and_tried_again",
    ),
    _worker(
        "a stop that comes during a rollback counts",
        "the run of before is written back",
        '        run = self._record.load(Run, "run/current") or run  # a stop may have come meanwhile\n',
        "",
        "test_a_stop_that_comes_during_a_rollback_is_not_forgotten",
    ),
    _worker(
        "a call that was about to run is answered",
        "it is left open, and so it is made",
        "            for use in unanswered(then)\n",
        "            for use in ()\n",
        "test_a_call_that_was_about_to_run_is_answered_and_not_made",
    ),
    _worker(
        "what a return needs is not forgotten",
        "orders to forget are taken at their word",
        "frozenset(forget.checkpoints) - self._needed()",
        "frozenset(forget.checkpoints)",
        "test_only_what_is_named_is_forgotten_and_never_what_a_return_needs",
    ),
    _one(
        "a checkpoint is restored over its own workspace only",
        "the root is not compared",
        "watchdogd/adapters/checkpoints.py",
        "        if root != self._root:\n",
        "        if False:\n",
        "tests/test_worker_checkpoints.py::test_a_checkpoint_of_another_workspace_is_not_restored_over_this_one",
    ),
    _overseer(
        "what was undone is no target",
        "every checkpoint of the run is one",
        "[point for point in mine if contains(now, point.at_seq, returns)]",
        "list(mine)",
        "test_policy_never_returns_to_what_a_person_undid",
    ),
    _overseer(
        "drift and danger taint what is saved after them",
        "nothing does",
        "            and finding.channel in TAINTING\n",
        "            and False\n",
        "test_drift_and_danger_leave_marks_and_a_loop_that_is_over_does_not",
    ),
    _overseer(
        "what a detector still sees keeps a window from passing",
        "only the judge is asked",
        "if not ill and all(one.channel is Channel.COST for one in live):",
        "if not ill:",
        "test_what_a_detector_still_sees_keeps_everything_from_passing",
    ),
    _overseer(
        "policy returns so often and no more",
        "as often as it likes",
        "        if self._by_policy >= BY_POLICY_AT_MOST:\n",
        "        if False:\n",
        "test_policy_returns_only_so_often_in_a_run",
    ),
    _overseer(
        "a return that failed keeps its hold",
        "the latch goes",
        "        if said.ok:\n            self._release(changing, said)\n",
        "        if True:\n            self._release(changing, said)\n",
        "test_a_return_that_failed_keeps_the_latch_and_asks",
    ),
    _one(
        "people are heard once it is known what the broker keeps them from",
        "at once",
        "watchdogd/overseer/service.py",
        "        await self._walls_known.wait()",
        "        pass",
        "tests/protocol/test_pair.py::test_people_are_heard_once_it_is_known_what_the_broker_keeps_them_from",
    ),
    _one(
        "a tool is gone before its run ends",
        "the second cancellation lets go of it",
        "watchdogd/worker/run.py",
        "            again = cancelled\n",
        "            raise\n",
        "tests/test_draining.py::test_a_tool_is_gone_before_its_run_ends_however_often_that_is_cancelled",
    ),
    _one(
        "a verdict about what was undone counts for nothing",
        "it is acted on",
        "watchdogd/overseer/inspect.py",
        "        if self._returns.outdated(looked.glance.last_seq):\n",
        "        if False:\n",
        "tests/test_returns.py::test_a_verdict_about_what_was_undone_while_it_was_found_taints_nothing",
    ),
    _one(
        "people are spared a second question about a very call, no more",
        "every refusal counts as seen",
        "watchdogd/overseer/reactions.py",
        "return wanted is not None and wanted.call == call and seq in self._enforcer.looked_at",
        "return True",
        "tests/test_returns.py::test_a_refusal_asks_again_unless_people_have_lifted_a_pause_for_that_very_call",
    ),
)
