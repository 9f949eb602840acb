"""Orders from the overseer: each applied once, its effect and its number in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from watchdogd.core.access import Approval
from watchdogd.core.events import Answered, Body, Nudged
from watchdogd.core.lease.messages import (
    AnswerOrder,
    CompareOrder,
    ForgetOrder,
    NudgeOrder,
    Order,
    RollbackOrder,
    RunOrder,
    StopOrder,
)
from watchdogd.core.lifecycle import Asked, Run
from watchdogd.ports import Record
from watchdogd.worker.checkpoints import ORDERED, Ordered, ordered, refused
from watchdogd.worker.journal import Journal, Writing


class OrderBook:
    """Applies orders to what is on disk; the runner picks the effects up from there."""

    def __init__(self, *, record: Record, journal: Journal, missions: Callable[[], frozenset[str]]) -> None:
        self._record, self._journal, self._missions = record, journal, missions
        self.on_applied: Callable[[Order], None] = lambda _: None

    def apply(self, order: Order) -> str:
        """Applies ``order``; a note when it could not be done as asked. Raises: RecordError."""
        run = self._record.load(Run, "run/current")
        stale = bool(order.run) and (run is None or run.id != order.run)
        with self._journal.transaction() as writing:
            note = "" if not stale else f"meant for run {order.run}, which is over"
            if not stale:
                note = self._effect(writing, order, run)
            elif isinstance(order.body, RollbackOrder):
                writing.event(refused(order.body, note))  # its latch waits for an answer
            writing.put("last_n", order.n)
        if not stale:
            self.on_applied(order)
        return note

    def _effect(self, writing: Writing, order: Order, run: Run | None) -> str:
        body = order.body
        match body:
            case NudgeOrder():
                return self._nudge(writing, order.n, body, run)
            case AnswerOrder():
                return self._answer(writing, body, run)
            case StopOrder():
                if run is None:
                    return "no run to stop"
                writing.put("run/current", replace(run, stop=f"stopped by {body.by}: {body.reason}"))
                return ""
            case RunOrder():
                if body.mission not in self._missions():
                    return f"no mission is called {body.mission}"
                writing.put(f"queue/{order.n:012d}", body)
                return ""
            case RollbackOrder():
                return self._rollback(writing, order.n, body)
            case CompareOrder():
                writing.put(f"compare/{order.n:012d}", body)
                return ""
            case ForgetOrder():
                writing.put(f"forget/{order.n:012d}", body)
                return ""
            case _:
                assert_never(body)

    def _rollback(self, writing: Writing, n: int, body: RollbackOrder) -> str:
        if self._record.load(Ordered, ORDERED) is not None:
            note = "another rollback is under way"
            writing.event(refused(body, note))
            return note
        writing.put(ORDERED, ordered(n, body))
        return ""

    @staticmethod
    def _nudge(writing: Writing, n: int, body: NudgeOrder, run: Run | None) -> str:
        if run is None:
            return "no run to nudge"
        who = f'<operator-message from="{body.by}">' if body.by else f'<watchdogd-nudge rule="{body.rule}">'
        end = "</operator-message>" if body.by else "</watchdogd-nudge>"
        writing.put(f"say/{n:012d}", {"text": f"{who}\n{body.text}\n{end}"})
        writing.event(Nudged(order=n, text=body.text, rule=body.rule or f"person:{body.by}"))
        return ""

    def _answer(self, writing: Writing, body: AnswerOrder, run: Run | None) -> str:
        if run is None:
            return "no run waits for this answer"
        asked = self._asked(run, body.question)
        if asked is None or asked.action_digest != body.action_digest:
            return f"no open question {body.question} about that action"
        if self._record.load(AnswerOrder, f"answer/{run.id}/{body.question}") is not None:
            return f"question {body.question} was already answered"
        event: Body = Answered(
            question=body.question, answer=body.answer, by=body.by, action_digest=body.action_digest, text=body.text
        )
        writing.event(event)
        writing.put(f"answer/{run.id}/{body.question}", body)
        if body.answer == "approved":
            granted = Approval(
                question=body.question, action_digest=body.action_digest, by=body.by, valid_until=body.valid_until
            )
            writing.put(f"approval/{run.id}/{body.question}", granted)
        return ""

    def _asked(self, run: Run, question: str) -> Asked | None:
        for _, asked in self._record.scan(Asked, f"asked/{run.id}/", limit=100_000):
            if asked.question == question:
                return asked
        return None
