"""Guards of the desk, the deadlines, the supervisor, the budget and retention."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, Tests

DEADMAN = "watchdogd/supervisor/deadman.py"
SUPERVISOR = "watchdogd/supervisor/service.py"
KEEPER = "watchdogd/supervisor/children.py"
DEADLINES = "watchdogd/overseer/deadlines.py"
REDELIVERY = "watchdogd/overseer/redelivery.py"
RETENTION = "watchdogd/overseer/retention.py"
ENFORCE = "watchdogd/overseer/enforce.py"
BOOK = "watchdogd/overseer/book.py"
STOPS = "watchdogd/overseer/stops.py"
SPENDING = "watchdogd/worker/spending.py"
GATE = "watchdogd/worker/gate.py"
WORKER = "watchdogd/worker/service.py"

SUPERVISION = Tests(("tests/test_supervision.py",))
DESK = Tests(("tests/test_desk.py",))
FORGETTING = Tests(("tests/test_retention.py",))
MONEY = Tests(("tests/test_spending.py",))
WAITING = Tests(("tests/test_overtaken.py",))


def _one(guard: str, how: str, file: str, old: str, new: str, check: Tests) -> Mutant:
    return Mutant(guard, how, (Edit(file, old, new),), (check,))


SHELLS: tuple[Mutant, ...] = (
    _one(
        "supervisor: frozen is said once it was seen",
        "it is said when it was told to be",
        SUPERVISOR,
        'return "frozen" if proof is not None and proof.state is TreeState.FROZEN else "unproven"',
        'return "frozen"',
        SUPERVISION,
    ),
    _one(
        "supervisor: shadow mode freezes nobody",
        "missed leases count in every mode",
        DEADMAN,
        "if not self._enforcing():",
        "if False:",
        SUPERVISION,
    ),
    _one(
        "supervisor: a process that cannot be started is tried again",
        "the error ends the keeper",
        KEEPER,
        "except OSError as why:",
        "except KeyError as why:",
        SUPERVISION,
    ),
    _one(
        "supervisor: a reload renews the worker",
        "it is ended instead",
        SUPERVISOR,
        "worker.renew()",
        "worker.terminate()",
        SUPERVISION,
    ),
    _one(
        "worker: a renewal waits for the running call",
        "it has a grace period too",
        WORKER,
        "asyncio.timeout(grace_s)",
        "asyncio.timeout(0.01)",
        Tests(("tests/test_draining.py",)),
    ),
    _one(
        "lift: carried out once",
        "a number that was seen is carried out again",
        DEADMAN,
        "if n <= self._lifted_n:",
        "if False:",
        SUPERVISION,
    ),
    _one(
        "lift: what was decided later stands",
        "any decision is lifted",
        DEADMAN,
        "stands is not None and stands.at <= at",
        "stands is not None",
        SUPERVISION,
    ),
    _one(
        "lift: kept until it is confirmed",
        "it is said once and forgotten",
        ENFORCE,
        '        changing.put("lift", self.book.lift)\n',
        "",
        DESK,
    ),
    _one(
        "lift: said again by whoever comes after",
        "the next overseer does not look",
        BOOK,
        '        lift=record.load(Lift, "lift"),\n',
        "",
        DESK,
    ),
    _one(
        "deadlines: shadow mode acts on no late order",
        "it freezes in every mode",
        DEADLINES,
        "if not kill and self.book.policy.mode is Mode.SHADOW:",
        "if False:",
        DESK,
    ),
    _one(
        "desk: a stop is answered with how the run ended",
        "whatever ended it, it was the stop",
        STOPS,
        'if finished.outcome == "stopped":',
        "if True:",
        DESK,
    ),
    _one(
        "desk: a request delivered again is not done again",
        "it is not remembered on disk",
        REDELIVERY,
        '        changing.put(f"unconfirmed/{name}", one)\n',
        "",
        DESK,
    ),
    _one(
        "desk: the same words twice are two requests",
        "any connection counts as another",
        REDELIVERY,
        " and one.link != link",
        "",
        DESK,
    ),
    _one(
        "desk: a second delivery may be followed by a third",
        "it is remembered under its first connection",
        REDELIVERY,
        "self._open[index] = replace(one, link=link, at=self._clock.boot())",
        "self._open[index] = one",
        DESK,
    ),
    _one(
        "budget: no call that could cost more than is left",
        "the shortest reply is always asked for",
        SPENDING,
        "if longest < min(SHORTEST_REPLY_TOKENS, request.max_tokens):",
        "if False:",
        MONEY,
    ),
    _one(
        "budget: the last look before the wire",
        "a reply that is too long goes out",
        SPENDING,
        "if within.max_tokens < request.max_tokens:",
        "if False:",
        MONEY,
    ),
    _one(
        "gate: a run whose deadline has passed waits for nothing",
        "it waits on",
        GATE,
        "        if self.over():\n",
        "        if False:\n",
        WAITING,
    ),
    _one(
        "retention: the newest runs stay",
        "age alone decides",
        RETENTION,
        "event.seq >= first or ",
        "",
        FORGETTING,
    ),
    _one(
        "retention: what something open shows stays",
        "nobody looks",
        RETENTION,
        "return [*shown, ",
        "return [",
        FORGETTING,
    ),
    _one(
        "retention: what was looked at is not looked at again",
        "the pointer is not on disk",
        RETENTION,
        '            changing.put("swept", upto)\n',
        "",
        FORGETTING,
    ),
)
