"""The desk: what people ask for, checked, carried out once, answered (DESIGN 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from watchdogd.core.access import Scope, permitted
from watchdogd.core.errors import RequestRefused
from watchdogd.core.escalation import ApproveCall, AskedByWorker, Escalation, ReleaseLatch, visible
from watchdogd.core.ids import SEGMENT
from watchdogd.core.lease import overseer as lease
from watchdogd.core.lease.messages import AnswerOrder, Level, NudgeOrder, RunOrder
from watchdogd.core.spelling import did_you_mean
from watchdogd.overseer.book import Book, mended
from watchdogd.overseer.enforce import Enforcer
from watchdogd.overseer.headlines import held_by, released
from watchdogd.overseer.redelivery import Redeliveries
from watchdogd.overseer.returns import Returns
from watchdogd.overseer.stops import Stops
from watchdogd.ports import Clock, Received, Record, Transaction
from watchdogd.settings.rule_ids import unheard_of
from watchdogd.wire import codec
from watchdogd.wire.messages import Message, Request, Response

TEXT_CHARS = 4_000
"""Of a person's words; they travel in latches and orders, which must fit on the wire."""
TARGET_CHARS = 200
TYPO_BYTES = 1_000
"""A request that is no request is answered up to this size (bytes)."""
LABELS = ("false-alarm", "right")
DRY_RUN = "--dry-run"
"""The words after ``run MISSION`` that make it a rehearsal."""


def bounded(request: Request) -> Request:
    """``request`` with words of bearable length and no half characters: a pause with a novel in it is still a pause."""
    words = request.text.encode("utf-8", "replace").decode()
    return replace(request, target=visible(request.target[:TARGET_CHARS]), text=words[:TEXT_CHARS])


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A pause whose ``held`` is still to be reported."""

    user: str
    request: str
    latch: str


class Desk:
    """Requests in, responses out. Every method runs inside a transaction."""

    def __init__(
        self,
        book: Book,
        enforcer: Enforcer,
        record: Record,
        clock: Clock,
        missions: Callable[[], frozenset[str]],
        returns: Returns,
    ) -> None:
        self._returns = returns
        self.book, self._enforcer, self._record = book, enforcer, record
        self._clock, self._missions = clock, missions
        self.stops = Stops(book, enforcer, record)
        self.redeliveries = Redeliveries(record, clock)
        self.waiting = [one for _, one in record.scan(Waiting, "waiting/")]
        """Kept on disk: a ``held`` that was promised is reported also by the overseer that comes after."""

    def take(self, changing: Transaction, arrived: Received) -> None:
        """One arrival on ``control/request/{user}``: carried out, or recorded and ignored."""
        message = arrived.message
        reason = self._unusable(arrived)
        if reason or message is None or not isinstance(message.payload, Request):
            self.ignore(changing, arrived, reason or "no request")
            self._not_understood(changing, arrived)
            return
        request = bounded(message.payload)
        name = self._name(changing, arrived, message.user, request)
        key = f"request/{message.user}/{name}"
        before = self.answered(key)
        if before is not None:
            self._respond(changing, message.user, before, key="")
            return
        self._respond(changing, message.user, self._carried_out(changing, message, replace(request, id=name)), key=key)

    def _name(self, changing: Transaction, arrived: Received, user: str, request: Request) -> str:
        """The request's own id; one without any is known by its bytes when the broker delivers it again."""
        if request.id and SEGMENT.match(request.id):
            return request.id
        where = {"user": user, "digest": arrived.digest, "link": arrived.link}
        name = self.redeliveries.again(changing, **where)
        if not name:
            name = f"t{self._clock.nonce()}"
            self.redeliveries.keep(changing, name=name, **where)
        return name

    def _unusable(self, arrived: Received) -> str:
        message = arrived.message
        if arrived.problem is not None:
            return arrived.problem.reason
        if arrived.retained:
            return "retained"
        if message is None:
            return "empty"
        if message.expires is not None and message.expires < self._clock.wall():
            return "expired"
        return ""

    def _not_understood(self, changing: Transaction, arrived: Received) -> None:
        """A typo on a phone gets an answer; what is long, retained or late does not."""
        user = arrived.topic.rpartition("/")[2]
        if arrived.problem is None or arrived.retained or arrived.size > TYPO_BYTES or not SEGMENT.match(user):
            return
        text = f"not understood; there are: {', '.join(Scope)}"
        answer = Response(request=f"t{self._clock.nonce()}", command="", status="error", text=text)
        self._respond(changing, user, answer, key="")

    def ignore(self, changing: Transaction, arrived: Received, reason: str) -> None:
        """Records what was not acted on."""
        changing.append(
            {
                "kind": "ignored",
                "at": self._clock.wall(),
                "body": {
                    "topic": arrived.topic[-200:],
                    "reason": reason,
                    "digest": arrived.digest,
                    "size": arrived.size,
                    "text": str(arrived.problem or "")[:300],
                },
            }
        )

    def _carried_out(self, changing: Transaction, message: Message, request: Request) -> Response:
        user = message.user
        scope = Scope(request.command)
        changing.append(
            {"kind": "request", "at": self._clock.wall(), "body": {"user": user, "request": codec.dump(request)}}
        )
        if self.book.restricted:
            return self._rejected(request, f"remote control is off: {self.book.restricted}")
        if not permitted(self.book.policy.operators, user, scope):
            return self._rejected(
                request, f"{user} may not {request.command} (list the person under [broker.operators])"
            )
        try:
            return self._do(changing, user, request)
        except RequestRefused as why:
            return Response(request=request.id, command=request.command, status="error", text=str(why))

    @staticmethod
    def _rejected(request: Request, text: str) -> Response:
        return Response(request=request.id, command=request.command, status="rejected", text=text)

    def _do(self, changing: Transaction, user: str, request: Request) -> Response:
        doers: Mapping[str, Callable[[Transaction, str, Request], Response]] = {
            "pause": self._pause,
            "resume": self._resume,
            "nudge": self._nudge,
            "approve": self._approve,
            "deny": self._deny,
            "ack": self._ack,
            "stop": self._stop,
            "run": self._run,
            "level": self._level,
            "label": self._label,
            "rollback": self._rollback,
        }
        return doers[request.command](changing, user, request)

    @staticmethod
    def _ok(request: Request, text: str) -> Response:
        return Response(request=request.id, command=request.command, status="ok", text=text)

    def _respond(self, changing: Transaction, user: str, response: Response, *, key: str) -> None:
        """Published from the record: an answer that came while no broker was there still arrives."""
        if key:
            changing.put(key, response)
        self._enforcer.row(changing, "response", response, response.text, user=user)

    # --- the commands ---

    def _pause(self, changing: Transaction, user: str, request: Request) -> Response:
        name = f"operator/{user}"
        reason = request.text or request.target or "no reason given"
        self._enforcer.latch(changing, name, user, reason, shadow_too=True)
        wait = Waiting(user=user, request=request.id, latch=name)
        self.waiting.append(wait)
        changing.put(f"waiting/{user}/{request.id}", wait)
        text = f"paused by {user}: {reason}. No further call will start; held follows once that is proven."
        return Response(request=request.id, command="pause", status="ok", stage="latched", text=text)

    def held(self, changing: Transaction, proven: tuple[lease.Unproven, ...], how: str) -> None:
        """Reports the pauses that now hold."""
        for one in proven:
            changing.append({"kind": "held", "at": self._clock.wall(), "body": {"latch": one.name, "how": how}})
            for wait in [wait for wait in self.waiting if wait.latch == one.name]:
                self.waiting.remove(wait)
                changing.drop(f"waiting/{wait.user}/{wait.request}")
                running = self.book.proto.acked is not None and self.book.proto.acked.running
                still = " A call that had started before is still running." if running else ""
                self._respond(
                    changing,
                    wait.user,
                    Response(
                        request=wait.request,
                        command="pause",
                        status="ok",
                        stage="held",
                        text=f"held: no effect can start.{still}",
                        proof=how,
                    ),
                    key="",
                )

    def _resume(self, changing: Transaction, user: str, request: Request) -> Response:
        target = request.target
        names = [latch.name for latch in self.book.proto.latches]
        question = self.book.escalations.get(target)
        if question is not None and isinstance(question.subject, ReleaseLatch):
            names = [question.subject.latch]
        elif target and target in names:
            names = [target]
        elif target:
            raise RequestRefused(self._no_such(target, "latch or question about one"))
        held, process = held_by(self.book), self.book.process
        if not target:  # a named latch leaves somebody else's freeze or kill alone
            self._enforcer.lift(changing, user)
        pauses = [latch for latch in self.book.proto.latches if latch.name in names]
        if names:
            self._returns.settled(changing)
        for name in names:
            self._enforcer.release(changing, name, user)
            for one in tuple(self.book.escalations.values()):
                if isinstance(one.subject, ReleaseLatch) and one.subject.latch == name:
                    self._enforcer.close(changing, one, "approved", user, request.text)
        if request.text and self.book.run.active:
            self._enforcer.order(changing, self.book.run.id, NudgeOrder(text=request.text, by=user))
        if not pauses:
            return self._ok(request, held)
        left = [latch for latch in self.book.proto.latches if latch.name not in names]
        lifted = process.reason if process is not None and process.decided and not target else ""
        return self._ok(request, released(user, pauses, left, lifted=lifted))

    def _nudge(self, changing: Transaction, user: str, request: Request) -> Response:
        if not request.text:
            raise RequestRefused("a nudge needs words: nudge <text>")
        if len(request.text) >= TEXT_CHARS:
            raise RequestRefused(f"a nudge may have {TEXT_CHARS} characters at most")
        if not self.book.run.active:
            raise RequestRefused("no run is under way")
        order = self._enforcer.order(changing, self.book.run.id, NudgeOrder(text=request.text, by=user))
        return self._ok(request, f"on its way to the worker as order {order.n}")

    def _question(self, request: Request) -> Escalation:
        if not request.target:
            raise RequestRefused(f"{request.command} needs the question's id: {request.command} <id>")
        one = self.book.escalations.get(request.target)
        if one is None:
            raise RequestRefused(self._no_such(request.target, "open question"))
        if one.expires_at is not None and one.expires_at <= self._clock.wall():
            raise RequestRefused(f"{one.id} has expired")
        return one

    def _no_such(self, target: str, what: str) -> str:
        done = self.closed(target)
        if done is not None:
            by = f" by {done.by}" if done.by else ""
            return f"{target} is over: {done.state}{by}"
        waiting = ", ".join(one.id for one in self.book.escalations.values() if one.is_open)
        return f"{target} is no {what}; " + (f"open: {waiting}" if waiting else "nothing is open")

    def answered(self, key: str) -> Response | None:
        """The response to a request that was seen before."""
        return self._record.load(Response, key)

    def closed(self, target: str) -> Escalation | None:
        """An escalation that is over."""
        return self._record.load(Escalation, f"closed/{target}")

    def _approve(self, changing: Transaction, user: str, request: Request) -> Response:
        one = self._question(request)
        if isinstance(one.subject, ReleaseLatch):
            if not permitted(self.book.policy.operators, user, Scope.RESUME):
                return self._rejected(request, f"{user} may not resume")
            return self._resume(changing, user, request)
        return self._answer(changing, user, request, one, "approved")

    def _deny(self, changing: Transaction, user: str, request: Request) -> Response:
        one = self._question(request)
        if isinstance(one.subject, ReleaseLatch):
            self._enforcer.close(changing, one, "denied", user, request.text)
            return self._ok(request, f"it stays paused: {one.subject.latch}")
        return self._answer(changing, user, request, one, "denied")

    def _answer(self, changing: Transaction, user: str, request: Request, one: Escalation, answer: str) -> Response:
        match one.subject:
            case ApproveCall(action_digest=digest) | AskedByWorker(action_digest=digest):
                pass
            case _:
                raise RequestRefused(f"{one.id} is a notice: acknowledge it with ack {one.id}")
        valid_until = self._clock.wall() + self.book.policy.questions.approval_valid_s
        body = AnswerOrder(
            question=one.id,
            answer="approved" if answer == "approved" else "denied",
            action_digest=digest,
            by=user,
            text=request.text if self._may_speak(user) else "",
            valid_until=valid_until,
        )
        self._enforcer.close(changing, one, answer, user, request.text)
        self._enforcer.order(changing, one.run, body)
        return self._ok(request, f"{one.id} {answer} by {user}")

    def _may_speak(self, user: str) -> bool:
        """Whether words of ``user`` may reach the model: refusing is open to everybody, talking to it is not."""
        return any(permitted(self.book.policy.operators, user, scope) for scope in (Scope.NUDGE, Scope.APPROVE))

    def _ack(self, changing: Transaction, user: str, request: Request) -> Response:
        one = self._question(request)
        if one.subject is not None:
            raise RequestRefused(f"{one.id} is a question: {' or '.join(one.options)} {one.id}")
        self._enforcer.close(changing, one, "acked", user, request.text)
        if one.group == "record-broken":
            mended(self.book)
            changing.put("unreadable", "")
        return self._ok(request, f"{one.id} acknowledged by {user}")

    def _stop(self, changing: Transaction, user: str, request: Request) -> Response:
        if not self.book.run.active:
            raise RequestRefused("no run is under way")
        return self.stops.ordered(changing, user, request.id, request.text or "no reason given")

    def _run(self, changing: Transaction, user: str, request: Request) -> Response:
        missions = self._missions()
        words = request.text.strip()
        if request.target not in missions:
            known = ", ".join(sorted(missions)) or "none"
            hint = did_you_mean(request.target, missions)
            raise RequestRefused(f"no mission is called {request.target!r}; there are: {known}{hint}")
        if words not in ("", DRY_RUN):  # whoever mistypes it must not get the real thing
            raise RequestRefused(f"run {request.target} takes {DRY_RUN} or nothing, not {words[:40]!r}")
        dry = words == DRY_RUN
        self._enforcer.lift(changing, user)
        body = RunOrder(mission=request.target, by=user, dry_run=dry, request=request.id)
        order = self._enforcer.order(changing, "", body)
        as_what = " as a dry run: it will change nothing" if dry else ""
        return self._ok(request, f"mission {request.target} is queued (order {order.n}){as_what}")

    def _level(self, changing: Transaction, user: str, request: Request) -> Response:
        try:
            level = Level(request.target)
        except ValueError:
            hint = did_you_mean(request.target, Level)
            raise RequestRefused(f"no level {request.target!r}; there are: {', '.join(Level)}{hint}") from None
        self.book.level = level
        self.book.proto = lease.levelled(self.book.proto, level)
        changing.append({"kind": "level", "at": self._clock.wall(), "body": {"level": level.value, "by": user}})
        self._enforcer.save(changing)
        self._enforcer.out.push = True
        return self._ok(request, f"level {level.value} set by {user}")

    def _label(self, changing: Transaction, user: str, request: Request) -> Response:
        if "/" in request.target and (why := unheard_of(request.target)):
            raise RequestRefused(why)
        if request.text not in LABELS:
            hint = did_you_mean(request.text, LABELS)
            raise RequestRefused(f"label ID false-alarm, or label ID right; not {request.text[:40]!r}{hint}")
        changing.append(
            {
                "kind": "label",
                "at": self._clock.wall(),
                "body": {"target": request.target, "label": request.text, "by": user},
            }
        )
        return self._ok(request, f"{request.target} labelled {request.text}")

    def _rollback(self, changing: Transaction, user: str, request: Request) -> Response:
        return self._returns.requested(changing, user, request)
