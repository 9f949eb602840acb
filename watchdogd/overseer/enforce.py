"""Enforcing: decisions become latches, orders and escalations, in the transaction that decided them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from watchdogd.core.escalation import Escalation, ReleaseLatch, expired, folded, inbox, within_cap
from watchdogd.core.health import Channel, Severity
from watchdogd.core.ids import Role
from watchdogd.core.lease import overseer as lease
from watchdogd.core.lease.messages import AnswerOrder, Latch, Mode, NudgeOrder, Order, OrderBody, StopOrder
from watchdogd.core.plan import (
    Effect,
    EndRun,
    FreezeTree,
    Inspect,
    ReturnTo,
    SendNudge,
    SetLatch,
    Tell,
    effects,
    label,
)
from watchdogd.core.policy import Action, Decision
from watchdogd.overseer.book import Book, memory_cell
from watchdogd.ports import Clock, Transaction
from watchdogd.wire import codec
from watchdogd.wire.channel import Decide, Lift, Line
from watchdogd.wire.messages import DecisionReport, Message, Payload

REASON_CHARS = 500
"""Of a latch's reason: every lease carries all of them and must fit on the wire."""


@dataclass(slots=True)
class Outgoing:
    """What leaves once the transaction is on disk."""

    messages: list[Message] = field(default_factory=list)
    """Live, in order: orders, which are sent again until they are acknowledged."""
    lines: list[Line] = field(default_factory=list)
    """To the supervisor."""
    inspect: str = ""
    """The judge should look now, and why."""
    push: bool = False
    """The desired state changed: answer the newest beat again."""
    inbox: bool = False
    checkpoints: bool = False
    """The list of checkpoints changed."""


class Enforcer:
    """Carries effects out. Every method runs inside a transaction of the overseer's record."""

    def __init__(self, book: Book, clock: Clock, boot: str, nudge_text: Callable[[str, str], str]) -> None:
        self.book, self._clock, self._boot = book, clock, boot
        self.nudge_text = nudge_text
        self.out = Outgoing()
        self.looked_at: set[int] = set()
        """Events behind a pause that a person has lifted since this overseer started: no reason to ask again."""
        self.return_to: Callable[[Transaction, ReturnTo, str], None] | None = None
        """Carries out a rollback that policy decided."""

    # --- rows ---

    def row(self, changing: Transaction, kind: str, payload: Payload, headline: str, *, user: str = "") -> str:
        """Records ``payload`` as a numbered row that is published from the record; returns an id from its number."""
        row = changing.append(
            {
                "kind": kind,
                "at": self._clock.wall(),
                "run": self.book.run.id,
                "headline": headline,
                "policy": self.book.policy.digest,
                "boot": self._boot,
                "body": codec.dump(payload),
                **({"user": user} if user else {}),
            }
        )
        return str(row.seq)

    def message(self, payload: Payload, headline: str, *, user: str = "", run: str | None = None) -> Message:
        """A message of the overseer."""
        return Message(
            payload=payload,
            headline=headline,
            at=self._clock.wall(),
            source=Role.OVERSEER,
            boot=self._boot,
            run=self.book.run.id if run is None else run,
            policy=self.book.policy.digest,
            user=user,
        )

    def save(self, changing: Transaction) -> None:
        """The desired state, as it is now."""
        changing.put("desired", self.book.desired())

    # --- the pieces ---

    def latch(self, changing: Transaction, name: str, by: str, reason: str, *, shadow_too: bool = False) -> None:
        """Holds the worker under ``name``."""
        fresh = all(one.name != name for one in self.book.proto.latches)
        new = Latch(name=name, by=by, reason=reason[:REASON_CHARS], since=self._clock.wall(), shadow_too=shadow_too)
        self.book.proto = lease.latched(self.book.proto, self._clock.boot(), new)
        if fresh:
            changing.append({"kind": "latched", "at": self._clock.wall(), "body": codec.dump(new)})
        self.save(changing)
        self.out.push = True

    def release(self, changing: Transaction, name: str, by: str) -> bool:
        """Releases ``name``; False when there is no such latch."""
        if all(one.name != name for one in self.book.proto.latches):
            return False
        self.book.proto = lease.released(self.book.proto, name)
        changing.append({"kind": "released", "at": self._clock.wall(), "body": {"name": name, "by": by}})
        self.save(changing)
        self.out.push = True
        return True

    def lift(self, changing: Transaction, by: str) -> None:
        """Takes back what the supervisor holds by decision; kept until the supervisor has it on disk."""
        at = self._clock.wall()
        n = changing.append({"kind": "lift", "at": at, "body": {"by": by}}).seq
        self.book.lift = Lift(by=by, n=n, at=at)
        changing.put("lift", self.book.lift)
        self.out.lines.append(self.book.lift)

    def lifted(self, changing: Transaction, n: int) -> None:
        """The supervisor has carried out lift ``n``."""
        if self.book.lift is not None and self.book.lift.n <= n:
            self.book.lift = None
            changing.drop("lift")

    def order(self, changing: Transaction, run: str, body: OrderBody) -> Order:
        """Numbers an order; its number and body become durable together."""
        self.book.proto, order = lease.ordered(self.book.proto, self._clock.boot(), run, body)
        changing.put(f"order/{order.n:012d}", order)
        self.row(changing, "order", order, f"order {order.n}: {body.kind}")
        self.save(changing)
        self.out.messages.append(self.message(order, f"order {order.n}: {body.kind}", run=run))
        return order

    def orders_done(self, changing: Transaction, before: int) -> None:
        """Forgets the bodies of orders that were acknowledged since ``before``."""
        for n in range(before + 1, self.book.proto.acked_n + 1):
            changing.drop(f"order/{n:012d}")
        self.save(changing)

    # --- escalations ---

    def keep(self, changing: Transaction, one: Escalation) -> None:
        """Stores an escalation in its present state; it is published from the record."""
        self.book.escalations[one.id] = one
        changing.put(f"escalation/{one.id}", one)
        self.row(changing, "escalation", one, one.headline)
        self.out.inbox = True

    def tell(
        self,
        changing: Transaction,
        effect: Tell,
        *,
        decision: str = "",
        detail: str = "",
        id: str = "",
    ) -> Escalation:
        """Opens a notice or a question; a repeated notice raises the count of the one that is open."""
        now = self._clock.wall()
        questions = self.book.policy.questions
        mark = "n" if effect.subject is None else "p"  # q is the worker's: its numbers are of another record
        new = Escalation(
            id=id or f"{mark}{self._serial(changing)}",
            run=self.book.run.id,
            severity=effect.severity,
            headline=effect.headline,
            subject=effect.subject,
            evidence=effect.evidence,
            decision=decision,
            group=effect.group,
            opened_at=now,
            expires_at=now + questions.expire_s if effect.subject is not None else None,
            detail=detail,
        )
        same = folded(tuple(self.book.escalations.values()), new) or self._asked_already(new)
        if same is not None:
            self.keep(changing, same)
            return same
        self.keep(changing, new)
        return new

    def _serial(self, changing: Transaction) -> int:
        return changing.append({"kind": "opened", "at": self._clock.wall()}).seq

    def _asked_already(self, new: Escalation) -> Escalation | None:
        """One open question per latch: asking twice for the same release is noise."""
        for one in self.book.escalations.values():
            if one.is_open and isinstance(one.subject, ReleaseLatch) and one.subject == new.subject:
                return replace(one, count=one.count + 1, headline=new.headline, evidence=new.evidence)
        return None

    def close(self, changing: Transaction, one: Escalation, state: str, by: str, text: str = "") -> Escalation:
        """Ends an escalation."""
        done = codec.load(
            Escalation,
            {
                **codec.dump(one),
                "state": state,
                "by": by,
                "closed_at": self._clock.wall(),
                "detail": text or one.detail,
            },
        )
        self.book.escalations.pop(one.id, None)
        if state == "approved" and isinstance(one.subject, ReleaseLatch):
            self.looked_at.update(one.evidence)
        changing.drop(f"escalation/{one.id}")
        changing.put(f"closed/{one.id}", done)
        self.row(changing, "escalation", done, f"{one.headline}: {state}{' by ' + by if by else ''}")
        self.out.inbox = True
        return done

    def withdraw(self, changing: Transaction, run: str, why: str, *, since: int = 0) -> None:
        """Closes the questions about calls of ``run`` after event ``since``; latches and their questions stay."""
        for one in tuple(self.book.escalations.values()):
            if min(one.evidence, default=0) < since:
                continue
            if one.run == run and one.subject is not None and not isinstance(one.subject, ReleaseLatch):
                self.close(changing, one, "withdrawn", "", why)

    def run_out(self, changing: Transaction) -> None:
        """Questions nobody answered in time: recorded as a timeout, never as somebody's denial, never as yes."""
        for one in expired(tuple(self.book.escalations.values()), self._clock.wall()):
            self.close(changing, one, "expired", "")
            if one.subject is not None and not isinstance(one.subject, ReleaseLatch):
                self.order(
                    changing,
                    one.run,
                    AnswerOrder(question=one.id, answer="expired", action_digest=one.subject.action_digest),
                )

    def may_ask(self) -> bool:
        """Whether one more question fits under the hourly cap; counts it."""
        now = self._clock.wall()
        recent = tuple(at for at in self.book.asked_at if now - at < 3600)
        if not within_cap(recent, now, self.book.policy.questions.per_hour):
            return False
        self.book.asked_at = (*recent, now)
        return True

    def inbox_message(self) -> Message:
        """The one topic a phone needs."""
        box = inbox(tuple(self.book.escalations.values()))
        return self.message(box, box.headline)

    # --- decisions ---

    def enforce(self, changing: Transaction, decisions: Sequence[Decision]) -> None:
        """Carries out ``decisions``, each recorded and published with what it led to."""
        for decision, plan in effects(decisions):
            report = DecisionReport(id="", decision=decision, effects=tuple(label(one) for one in plan))
            name = self.row(changing, "decision", report, f"{decision.rule}: {decision.action} — {decision.headline}")
            for effect in plan:
                self._effect(changing, effect, decision=f"d{name}")
        if decisions:
            changing.put("memory", memory_cell(self.book.memory))

    def _effect(self, changing: Transaction, effect: Effect, *, decision: str) -> None:
        match effect:
            case SetLatch():
                self.latch(changing, effect.name, effect.by, effect.reason)
            case SendNudge():
                if self.book.run.active:
                    text = self.nudge_text(effect.rule, effect.headline)
                    body = NudgeOrder(text=text, rule=effect.rule, key=effect.key, decision=decision)
                    self.order(changing, self.book.run.id, body)
            case Tell():
                self.tell(changing, effect, decision=decision)
            case Inspect():
                self.out.inspect = effect.why
            case EndRun():
                self.order(changing, self.book.run.id, StopOrder(by="policy", reason=effect.reason))
            case FreezeTree():
                self.out.lines.append(Decide(what="freeze", by="policy", reason=effect.reason))
            case ReturnTo():
                if self.return_to is None:
                    raise RuntimeError("nobody carries out rollbacks")
                self.return_to(changing, effect, decision)
            case _:
                assert_never(effect)

    def decide_now(
        self,
        changing: Transaction,
        *,
        rule: str,
        latch: str,
        reason: str,
        evidence: tuple[int, ...],
        channel: Channel | None,
        severity: Severity = Severity.CRIT,
    ) -> None:
        """A pause that follows from an event itself (a hard denial, a call in doubt), with its question to people."""
        enforced = self.book.policy.mode is Mode.ENFORCE
        decision = Decision(
            rule=rule,
            action=Action.PAUSE,
            channel=channel,
            severity=severity,
            headline=reason,
            finding=rule,
            key=latch,
            evidence=evidence,
            policy=self.book.policy.digest,
            enforced=enforced,
        )
        done = ("pause " + latch, "ask people") if enforced else ("tell people",)
        name = self.row(
            changing, "decision", DecisionReport(id="", decision=decision, effects=done), f"{rule}: pause — {reason}"
        )
        if enforced:
            self.latch(changing, latch, f"policy rule {rule}", reason)
        subject = ReleaseLatch(latch=latch) if enforced else None
        self.tell(
            changing,
            Tell(group=latch, severity=severity, headline=reason, evidence=evidence, subject=subject),
            decision=f"d{name}",
        )
