"""The guards of the gate, and those of the protocol that live in the real shells and adapters."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, Tests

ACCESS = "watchdogd/core/access.py"
VERDICT = "watchdogd/core/verdict.py"
GATE = "watchdogd/worker/gate.py"
CONTROL = "watchdogd/worker/control.py"
ORDERS = "watchdogd/worker/orders.py"
SQLITE = "watchdogd/adapters/sqlite.py"
LAUNCHER = "watchdogd/adapters/launcher.py"
CLOCK = "watchdogd/adapters/clock.py"
SERVICE = "watchdogd/overseer/service.py"
ENFORCE = "watchdogd/overseer/enforce.py"


def _gate(name: str) -> tuple[Tests]:
    return (Tests((f"tests/protocol/test_gate.py::{name}",)),)


def _pair(name: str) -> tuple[Tests]:
    return (Tests((f"tests/protocol/test_pair.py::{name}",)),)


GATES: tuple[Mutant, ...] = (
    Mutant(
        "gate: second look",
        "the call passes as soon as its start is written",
        (
            Edit(
                GATE,
                "        wait = self._control.second_look()\n        if wait is not None:\n            self.never_ran",
                "        wait = None\n        if wait is not None:\n            self.never_ran",
            ),
        ),
        _gate("test_the_second_look_sees_a_lease_that_ended_while_the_start_was_written"),
    ),
    Mutant(
        "gate: sync before effect",
        "the start is not recorded",
        (
            Edit(
                GATE,
                "            seq = writing.event(\n                ToolStarted(",
                "            seq = (lambda _: intent)(\n                ToolStarted(",
            ),
        ),
        _gate("test_a_call_passes_once_its_start_is_on_disk"),
    ),
    Mutant(
        "gate: own-intent wait",
        "the gate asks for every call as if it were a read",
        (
            Edit(
                GATE,
                "        await self._until_open(call.impact, intent)\n",
                "        await self._until_open(Impact.READ, intent)\n",
            ),
        ),
        _gate("test_a_call_above_read_waits_until_the_overseer_has_processed_its_own_intent"),
    ),
    Mutant(
        "gate: latches and lease",
        "the gate does not wait",
        (
            Edit(
                GATE,
                "        while (wait := self._control.may_start(impact, intent, self._started)) is not None:\n",
                "        while (wait := None) is not None:\n",
            ),
        ),
        _gate("test_a_call_above_read_waits_until_the_overseer_has_processed_its_own_intent"),
    ),
    Mutant(
        "gate: single use of an answer",
        "starting the call leaves the approval as it was",
        (Edit(GATE, "replace(granted, used=True)", "replace(granted, used=False)"),),
        _gate("test_an_approval_is_consumed_with_the_start_and_never_serves_twice"),
    ),
    Mutant(
        "rules: single use of an answer",
        "a used approval counts",
        (Edit(ACCESS, " and not approval.used and ", " and "),),
        (Tests(("tests/core/test_access.py",)),),
    ),
    Mutant(
        "rules: an answer binds the exact action",
        "any approval of the run counts",
        (Edit(ACCESS, "        if approval.action_digest == act.action_digest and ", "        if "),),
        (Tests(("tests/core/test_access.py",)),),
    ),
    Mutant(
        "rules: an answer runs out",
        "an approval counts for ever",
        (Edit(ACCESS, " and now < approval.valid_until:", ":"),),
        (Tests(("tests/core/test_access.py",)),),
    ),
    Mutant(
        "rules: hard denial before level",
        "denials are only looked at when the level does not allow the call",
        (
            Edit(
                ACCESS,
                "    denial = denial_of(act, bounds)\n    if denial is not None:\n",
                "    denial = denial_of(act, bounds)\n"
                "    if denial is not None and not isinstance(_level_says(level, act, bounds), Allow):\n",
            ),
        ),
        (Tests(("tests/core/test_access.py",)),),
    ),
    Mutant(
        "rules: a denial that cannot be read denies",
        "it is skipped",
        (
            Edit(
                ACCESS,
                "            except re.error:\n                return True\n",
                "            except re.error:\n                return False\n",
            ),
        ),
        (Tests(("tests/core/test_access.py",)),),
    ),
    Mutant(
        "verdict: fails closed when it does not parse",
        "an unreadable verdict says that all is well",
        (
            Edit(
                VERDICT,
                '        return Invalid(reason=f"not a verdict: {why}")\n',
                "        well = {channel: Reading(risk=0.0, confidence=1.0) for channel in Channel}\n"
                "        return Verdict(\n"
                '            channels=well, evidence=(), onset=None, action="none", headline=str(why), rationale="-"\n'
                "        )\n",
            ),
        ),
        (Tests(("tests/core/test_verdict.py",)),),
    ),
    Mutant(
        "verdict: citations are checked by digest",
        "any digest will do",
        (Edit(VERDICT, "        if event.digest != one.digest:\n", "        if False:\n"),),
        (Tests(("tests/core/test_verdict.py",)),),
    ),
    Mutant(
        "verdict: quotes are the event's own words",
        "any quote will do",
        (
            Edit(
                VERDICT,
                " or _squeezed(one.quote) not in _squeezed(event.text):\n",
                ":\n",
            ),
        ),
        (Tests(("tests/core/test_verdict.py",)),),
    ),
    Mutant(
        "controller: latch on disk before its acknowledgement",
        "a disk that refused is acknowledged all the same",
        (
            Edit(
                CONTROL,
                "                return  # not on disk, so not acknowledged",
                "                pass  # not on disk",
            ),
        ),
        _gate("test_what_could_not_be_written_is_not_acknowledged_but_holds_all_the_same"),
    ),
    Mutant(
        "controller: the acknowledgement waits for exec",
        "a launch that begins is not noted",
        (Edit(CONTROL, "        self._state = lease.launch_began(self._state)\n", "        pass\n"),),
        _gate("test_a_launch_under_way_delays_the_acknowledgement"),
    ),
    Mutant(
        "order book: order and its number in one transaction",
        "the number is written first, in a transaction of its own",
        (
            Edit(
                ORDERS,
                "        with self._journal.transaction() as writing:\n            note = ",
                '        with self._journal.transaction() as writing:\n            writing.put("last_n", order.n)\n'
                "        with self._journal.transaction() as writing:\n            note = ",
            ),
        ),
        _gate("test_an_order_and_its_number_are_on_disk_in_one_transaction_and_applied_once"),
    ),
    Mutant(
        "overseer: nothing leaves before its commit",
        "a beat is answered inside the transaction",
        (
            Edit(
                SERVICE,
                "                    beats.append(beat)\n",
                "                    self._after_commit([beat], self._enforcer.out)\n",
            ),
        ),
        _pair("test_what_the_worker_hears_is_on_the_overseers_disk_already"),
    ),
    Mutant(
        "overseer: a fenced one never reconnects (O1)",
        "it connects without a look at the record",
        (
            Edit(SERVICE, "                self._record.check()  # O1: a", "                pass  # O1: a"),
            Edit(SERVICE, "                self._record.check()  # the fence", "                pass  # the fence"),
        ),
        _pair("test_an_overseer_whose_record_was_claimed_answers_no_more_and_never_comes_back"),
    ),
    Mutant(
        "overseer: order and its number in one transaction",
        "the number is not written with the order",
        (
            Edit(
                ENFORCE,
                'order, f"order {order.n}: {body.kind}")\n        self.save(changing)\n',
                'order, f"order {order.n}: {body.kind}")\n',
            ),
        ),
        _pair("test_an_order_is_on_disk_with_its_number_before_it_leaves"),
    ),
    Mutant(
        "overseer: a latch is on disk before it is reported",
        "it stays in memory",
        (
            Edit(
                ENFORCE,
                '"body": codec.dump(new)})\n        self.save(changing)\n        self.out.push = True\n',
                '"body": codec.dump(new)})\n        self.out.push = True\n',
            ),
        ),
        _pair("test_a_pause_is_on_disk_when_latched_and_held_once_the_worker_acknowledged_it"),
    ),
    Mutant(
        "record on disk: fence (O1)",
        "a transaction does not look for a newer epoch",
        (Edit(SQLITE, "        if found != self._own:\n", "        if found < self._own:\n"),),
        (Tests(("tests/test_record.py",)),),
    ),
    Mutant(
        "launcher: deadline right before exec",
        "it execs whenever it comes to it",
        (Edit(LAUNCHER, "        if now >= until:\n", "        if until < 0:\n"),),
        (Tests(("tests/test_sandbox.py::test_the_launcher_does_not_run_the_command_after_the_deadline",)),),
    ),
    Mutant(
        "clock: CLOCK_BOOTTIME, not the wall clock",
        "boot() tells the time of day",
        (Edit(CLOCK, "time.clock_gettime(time.CLOCK_BOOTTIME)", "time.time()"),),
        (Tests(("tests/test_clock.py",)),),
    ),
    Mutant(
        "clock: CLOCK_BOOTTIME, not CLOCK_MONOTONIC",
        "boot() stands still during suspend",
        (Edit(CLOCK, "time.clock_gettime(time.CLOCK_BOOTTIME)", "time.clock_gettime(time.CLOCK_MONOTONIC)"),),
        (Tests(("tests/test_clock.py",)),),
        why_green="the two clocks tell the same time on a machine that was never suspended, and a test cannot suspend "
        "one; the simulation suspends its machine and turns red (boot clock: not the monotonic clock)",
    ),
)
