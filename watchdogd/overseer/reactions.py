"""What follows from an event itself, without a detector: questions, denials, doubt, a key that is refused, the end."""

from __future__ import annotations

from watchdogd.core.escalation import ApproveCall, AskedByWorker
from watchdogd.core.events import Event, Gated, ProviderError, RunFinished, RunStarted, ToolFinished, ToolIntended
from watchdogd.core.health import Channel, Severity
from watchdogd.core.lease.messages import AnswerOrder
from watchdogd.core.plan import Tell
from watchdogd.overseer.book import Book
from watchdogd.overseer.enforce import Enforcer
from watchdogd.overseer.headlines import may_it
from watchdogd.ports import Transaction


class Reactions:
    """Runs inside the transaction that stores the event."""

    def __init__(self, book: Book, enforcer: Enforcer) -> None:
        self.book, self._enforcer = book, enforcer
        self._intended: tuple[ToolIntended | None, int] = (None, 0)
        """The newest call that was wanted, and its event."""

    def to(self, changing: Transaction, event: Event) -> None:
        """What follows from the event itself, without a detector."""
        body = event.body
        match body:
            case Gated(outcome="ask") if not body.by.startswith("shadow:"):
                self._question(changing, event, body)
            case ToolIntended():
                self._intended = (body, event.seq)
            case Gated(outcome="deny", by="hard-denial") if self._lifted(body.call):
                pass  # a person has seen this very call, said that the worker may go on, and it was refused
            case Gated(outcome="deny", by="hard-denial") if self.book.policy.pause_on_denial:
                self._enforcer.decide_now(
                    changing,
                    rule="hard-denial",
                    latch=f"denial/{event.seq}",
                    reason=f"it tried what is forbidden: {body.reason}",
                    evidence=(event.seq,),
                    channel=Channel.SAFETY,
                )
            case ToolFinished(outcome="in_doubt", error_class="effect"):
                self._enforcer.decide_now(
                    changing,
                    rule="in-doubt",
                    latch=f"in-doubt/{event.seq}",
                    reason=f"a {body.tool} call was started and nobody saw its end; look before it goes on",
                    evidence=(event.seq,),
                    channel=Channel.SAFETY,
                    severity=Severity.WARN,
                )
            case ProviderError(error="auth"):
                self._notice(
                    changing, "provider-auth", Severity.CRIT, f"the provider refuses our key: {body.text}", event
                )
            case RunStarted():
                self.book.unknown_since.clear()
            case RunFinished():
                self._enforcer.withdraw(changing, event.run, "the run is over")
                if body.outcome not in ("done", "stopped"):
                    what = f"run {event.run} ended: {body.outcome}. {body.reason}"
                    self._notice(changing, f"run/{self.book.run.mission}", Severity.WARN, what, event)
            case _:
                pass

    def _lifted(self, call: str) -> bool:
        """Whether a pause because of ``call`` was lifted by a person; not known (as after a restart) counts as no."""
        wanted, seq = self._intended
        return wanted is not None and wanted.call == call and seq in self._enforcer.looked_at

    def _notice(self, changing: Transaction, group: str, severity: Severity, headline: str, event: Event) -> None:
        self._enforcer.tell(
            changing, Tell(group=group, severity=severity, headline=headline[:300], evidence=(event.seq,))
        )

    def _question(self, changing: Transaction, event: Event, body: Gated) -> None:
        if not self._enforcer.may_ask():
            cap = self.book.policy.questions.per_hour
            self._enforcer.order(
                changing,
                event.run,
                AnswerOrder(
                    question=body.question,
                    answer="expired",
                    action_digest=body.action_digest,
                    text=f"more than {cap} questions in an hour: people were not asked",
                ),
            )
            self._enforcer.decide_now(
                changing,
                rule="too-many-questions",
                latch="questions/too-many",
                reason=f"it asked people more than {cap} times in an hour",
                evidence=(event.seq,),
                channel=None,
                severity=Severity.WARN,
            )
            return
        if body.by == "worker":
            subject: ApproveCall | AskedByWorker = AskedByWorker(
                question=body.reason, options=body.options, action_digest=body.action_digest
            )
            headline = f"the worker asks: {body.reason}"
        else:
            subject = ApproveCall(
                tool=body.tool, action_digest=body.action_digest, shown=body.shown, reason=body.reason
            )
            wanted = self._intended[0]
            headline = may_it(body.tool, wanted if wanted is not None and wanted.call == body.call else None)
        tell = Tell(
            group=f"call/{body.call}",
            severity=Severity.WARN,
            headline=headline[:300],
            evidence=(event.seq,),
            subject=subject,
        )
        self._enforcer.tell(changing, tell, id=body.question)
