"""One message of every kind, as the documents show them."""

from __future__ import annotations

from watchdogd.core.escalation import ApproveCall, Escalation, Inbox
from watchdogd.core.events import Event, Impact, ToolIntended
from watchdogd.core.health import Channel, ChannelHealth, Severity
from watchdogd.core.ids import AgentRef, Role
from watchdogd.core.lease.messages import Ack, Answer, Beat, Latch, Level, Mode, NudgeOrder, Order, OrderAck
from watchdogd.core.policy import Action, Decision
from watchdogd.core.proof import Proof, TreeState
from watchdogd.wire.messages import (
    ChannelReport,
    CheckpointList,
    CheckpointReport,
    DecisionReport,
    HealthReport,
    Info,
    Message,
    Payload,
    Presence,
    ProcessReport,
    Request,
    Response,
    VerdictReport,
    WorkerStatus,
)
from watchdogd.wire.topics import Topics

TOPICS = Topics(ref=AgentRef(site="home", agent="orders"))
PERSON = "anna"
AT = 1_795_000_000.0
"""Unix time of the examples (seconds)."""
POLICY = "5f0c9d7a"
RUN = "nightly-7"
W, O, S = Role.WORKER, Role.OVERSEER, Role.SUPERVISOR  # noqa: E741 - as in the table of routes


def _said(source: Role | str, headline: str, payload: Payload, *, seq: int | None = None, user: str = "") -> Message:
    return Message(
        payload=payload,
        headline=headline,
        at=AT,
        source=source,
        boot=f"{source}-3" if source in tuple(Role) else "",
        seq=seq,
        run=RUN,
        policy=POLICY,
        user=user,
        digest="d2" * 32 if seq is not None else "",
    )


LATCH = Latch(name=f"operator/{PERSON}", by=PERSON, reason="let me look first", since=AT, shadow_too=True)
ASKED = ApproveCall(
    tool="shell", action_digest="a9" * 32, shown='shell {"command": "rm -r raw/"}', reason="destructive"
)
INTENDED = ToolIntended(
    call="c-41",
    tool="shell",
    args={"command": "rm -r raw/"},
    impact=Impact.DESTRUCTIVE,
    action_digest="a9" * 32,
    summary="delete raw/",
    reasons=("rm -r removes a directory",),
    writes=("raw/",),
)
EVENT = Event(seq=412, body=INTENDED, run=RUN, step=23, at=AT, boot="worker-3", digest="d2" * 32)
INFO = Info(
    version="0.1.0",
    policy=POLICY,
    policy_name="suggest",
    mode=Mode.ENFORCE,
    level=Level.SUGGEST,
    worker_model="claude-sonnet-5-5",
    judge_model="claude-haiku-5-5",
    config_digest="77aa01",
    missions=("nightly",),
    broker="mosquitto",
)
PROOF = Proof(state=TreeState.FROZEN, how="cgroup", partial=False, checked=("cgroup.events: frozen 1",), pids=(4711,))
VERDICT = VerdictReport(
    id="v-19",
    valid=True,
    model="claude-haiku-5-5",
    prompt_digest="0be4",
    channels={Channel.DRIFT: 0.1, Channel.SAFETY: 0.9},
    action="pause",
    rationale="It is about to delete the only copy of the input.",
    evidence=(412,),
    first_seq=390,
    last_seq=412,
    cost_usd=0.0031,
)
DECISION = Decision(
    rule="safety-crit",
    action=Action.PAUSE,
    channel=Channel.SAFETY,
    severity=Severity.CRIT,
    headline="delete raw/, which the mission protects",
    finding="safety/protected-path",
    key="raw/",
    evidence=(412,),
    policy=POLICY,
    enforced=True,
)
ANSWER = Answer(
    nonce="5d1e9f7a22c04b18",
    epoch=4,
    lrev=9,
    grant=False,
    reason="paused by anna",
    stored_seq=412,
    policy=POLICY,
    mode=Mode.ENFORCE,
    level=Level.SUGGEST,
    latches=(LATCH,),
    ttl_s=20,
)
ACK = Ack(boot="worker-3", epoch=4, lrev=9)
QUESTION = Escalation(
    id="q-17",
    run=RUN,
    severity=Severity.CRIT,
    headline="may it delete raw/?",
    subject=ASKED,
    evidence=(412,),
    opened_at=AT,
    expires_at=AT + 3600,
)

EXAMPLES: tuple[Message, ...] = (
    _said(W, "the worker is here", Presence(role=W, status="online", boot="worker-3")),
    _said(S, "watchdogd 0.1.0 watches nightly", INFO),
    _said(S, "frozen: no lease for 90 s", ProcessReport(state="frozen", reason="no lease for 90 s", proof=PROOF)),
    _said(W, "paused", WorkerStatus(status="paused", mission="nightly", run=RUN, step=23, latches=(LATCH,), since=AT)),
    _said(W, "wants to delete raw/", EVENT, seq=412),
    _said(W, "may I go on?", Beat(boot="worker-3", nonce=ANSWER.nonce, head_seq=412, applied_n=6, ack=ACK)),
    _said(O, "no: paused by anna", ANSWER),
    _said(W, "paused as told", ACK),
    _said(
        O,
        "safety: about to delete raw/",
        HealthReport(
            severity=Severity.CRIT,
            channels={one: Severity.CRIT if one is Channel.SAFETY else Severity.OK for one in Channel},
            run=RUN,
            stored_seq=412,
        ),
    ),
    _said(
        O,
        "safety: about to delete raw/",
        ChannelReport(
            health=ChannelHealth(
                channel=Channel.SAFETY,
                severity=Severity.CRIT,
                risk=0.9,
                headline="about to delete raw/",
                rule="safety/protected-path",
                evidence=(412,),
                since_seq=412,
            )
        ),
    ),
    _said(O, "the judge proposes a pause", VERDICT, seq=88),
    _said(O, DECISION.headline, DecisionReport(id="d-12", decision=DECISION, effects=("pause",)), seq=89),
    _said(O, "nudge: look at the header first", Order(epoch=4, n=7, run=RUN, body=NudgeOrder(text="Look.")), seq=90),
    _said(W, "order 7 applied", OrderAck(n=7)),
    _said(O, QUESTION.headline, QUESTION, seq=91),
    _said(
        O,
        "1 question: may it delete raw/?",
        Inbox(open=1, questions=1, headline=QUESTION.headline, worst=Severity.CRIT, newest="q-17"),
    ),
    _said(
        O,
        "1 checkpoint, 1 passed inspection",
        CheckpointList(
            checkpoints=(
                CheckpointReport(
                    id="c398",
                    taken_at=AT - 240,
                    at_seq=398,
                    standing="passed",
                    run=RUN,
                    mission="nightly",
                    reason="schedule",
                    files=212,
                    bytes=4_718_592,
                ),
            )
        ),
    ),
    _said(PERSON, "deny q-17", Request(command="deny", id="r-1", target="q-17", text="keep raw/"), user=PERSON),
    _said(O, "q-17 denied", Response(request="r-1", command="deny", status="ok", text="q-17 denied"), user=PERSON),
)


def example(payload: type) -> Message:
    """The example of a kind of payload."""
    return next(one for one in EXAMPLES if type(one.payload) is payload)
