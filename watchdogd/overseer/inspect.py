"""Inspection: when the judge looks, what it may spend, what its verdict leads to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from watchdogd.core.events import Event, Usage
from watchdogd.core.health import Severity, channels
from watchdogd.core.lease.messages import Level
from watchdogd.core.plan import Tell
from watchdogd.core.policy import Judging, decide
from watchdogd.core.verdict import Invalid, Verdict
from watchdogd.overseer.book import Book, event_key
from watchdogd.overseer.enforce import Enforcer
from watchdogd.overseer.judge import SILENT, Glance, Judge, Looked, glance
from watchdogd.overseer.returns import Returns
from watchdogd.ports import Clock, Record, Schedule, Transaction
from watchdogd.wire.messages import VerdictReport

JOB = "glance"
SOON_S = 0.2
"""A look asked for by a detector starts after this, so that several stirs make one look (seconds)."""
NOT_AGAIN_WITHIN_S = 30.0
"""Between two looks asked for out of turn (seconds)."""
CONFIDENT_RISK = 0.2
"""Below this risk on every channel the next interval grows."""
LEVELS = list(Level)


def next_interval(judging: Judging, last_s: float, verdict: Verdict | Invalid) -> float:
    """Seconds to the next glance: longer after a confident all-clear, back to the start after anything else."""
    if isinstance(verdict, Invalid):
        return judging.every_s
    calm = all(one.risk < CONFIDENT_RISK and one.confidence >= 0.8 for one in verdict.channels.values())
    return min(last_s * 1.5, judging.at_most_s) if calm else judging.every_s


class Inspection:
    """Owns the schedule and the judge's budget; the service runs the looks it asks for."""

    def __init__(
        self,
        *,
        book: Book,
        enforcer: Enforcer,
        record: Record,
        clock: Clock,
        schedule: Schedule,
        judge: Judge | None,
        price: Callable[[str, Usage], float | None],
        start_look: Callable[[], None],
        returns: Returns,
    ) -> None:
        self._returns = returns
        self.book, self._enforcer, self._record = book, enforcer, record
        self._clock, self._schedule, self._judge = clock, schedule, judge
        self._price, self._start_look = price, start_look
        self._interval_s = book.policy.judging.every_s
        self._last_out_of_turn = float("-inf")
        self.looking = False

    @property
    def judge(self) -> Judge | None:
        """The judge, if one is configured."""
        return self._judge

    def arm(self) -> None:
        """Schedules the next look."""
        if self._judge is None:
            return
        jitter = self.book.policy.judging.jitter_s
        self._schedule.once_in(self._interval_s, self._start_look, name=JOB, jitter_s=min(jitter, self._interval_s / 4))

    def soon(self) -> None:
        """A detector or a rule wants a look out of turn."""
        now = self._clock.boot()
        if self._judge is None or now - self._last_out_of_turn < NOT_AGAIN_WITHIN_S:
            return
        self._last_out_of_turn = now
        self._schedule.once_in(SOON_S, self._start_look, name=JOB)

    def late(self) -> bool:
        """The monotonic check beside the wall-clock schedule: is a look due by the boot clock alone?"""
        if self._judge is None or self.looking or not self._news():
            return False
        return self._clock.boot() - self.book.looked_at > self._interval_s + 2 * self.book.policy.judging.jitter_s

    def _news(self) -> bool:
        return self.book.run.id != "" and self.book.folded_seq > self.book.inspected_seq

    def next_glance(self) -> Glance | None:
        """What to look at now; None when nothing is new, a look is under way, or the budget is spent."""
        if self._judge is None or self.looking or not self._news() or self._spent():
            return None
        first = max(self.book.inspected_seq + 1, self.book.run.started_seq)
        shown = self._record.scan(Event, "event/", after=event_key(first - 1) + "~" if first > 1 else "", limit=20_000)
        worker_events = [event for key, event in shown if "/tick" not in key]
        if not any(not isinstance(one.body, SILENT) for one in worker_events):
            return None
        return glance(self.book.run, worker_events, channels(self.book.health), self._judge.system)

    def _today(self) -> str:
        return f"day-{int(self._clock.wall() // 86400)}"

    def _spent(self) -> bool:
        cap = self.book.policy.judging.budget_usd_per_day
        if self.book.judge_day != self._today():
            return False
        return cap is not None and self.book.judge_spent_usd >= cap

    def take(self, changing: Transaction, looked: Looked) -> None:
        """A look is over: recorded, priced, published, decided on; an invalid one counts as unknown."""
        self._pay(changing, looked)
        verdict = looked.verdict
        valid = isinstance(verdict, Verdict)
        report = VerdictReport(
            id=f"v{looked.glance.last_seq}",
            valid=valid,
            reason="" if isinstance(verdict, Verdict) else verdict.reason,
            model=looked.model,
            prompt_digest=looked.glance.prompt_digest,
            channels={name: one.risk for name, one in verdict.channels.items()} if isinstance(verdict, Verdict) else {},
            action=verdict.action if isinstance(verdict, Verdict) else "",
            rationale=verdict.rationale if isinstance(verdict, Verdict) else looked.why,
            evidence=tuple(one.seq for one in verdict.evidence) if isinstance(verdict, Verdict) else (),
            onset=verdict.onset if isinstance(verdict, Verdict) else None,
            first_seq=looked.glance.first_seq,
            last_seq=looked.glance.last_seq,
            cost_usd=None if looked.usage is None else self._price(looked.model, looked.usage),
        )
        headline = verdict.headline if isinstance(verdict, Verdict) else f"no valid verdict: {verdict.reason}"
        self._enforcer.row(changing, "verdict", report, headline)
        self._interval_s = next_interval(self.book.policy.judging, self._interval_s, verdict)
        now = self._clock.boot()
        self.book.looked_at = now
        if not isinstance(verdict, Verdict):
            if self.book.judge_failing_since is None:
                self.book.judge_failing_since = now
            return
        self.book.judge_failing_since = None
        self.book.inspected_seq = max(self.book.inspected_seq, looked.glance.last_seq)
        self.book.inspected_at = now
        changing.put("inspected_seq", self.book.inspected_seq)
        if self._returns.outdated(looked.glance.last_seq):
            return  # recorded and paid for; what it saw was undone while it looked
        judged = verdict.findings(looked.glance.last_seq)
        self._returns.trouble(changing, judged)
        self._returns.look(changing, looked.glance.last_seq, judged, verdict.onset)
        self.book.memory, decisions = decide(
            self.book.policy,
            self.book.health,
            verdict,
            self.book.memory,
            now=self._clock.wall(),
            seq=self.book.folded_seq,
        )
        self._enforcer.enforce(changing, decisions)

    def _pay(self, changing: Transaction, looked: Looked) -> None:
        if self.book.judge_day != self._today():
            self.book.judge_day, self.book.judge_spent_usd = self._today(), 0.0
        if looked.usage is not None:
            cost = self._price(looked.model, looked.usage)
            cap = self.book.policy.judging.budget_usd_per_day or 0.0
            self.book.judge_spent_usd += cap if cost is None else cost  # of unknown price: the cap must still bind
        changing.put("judge_spent_usd", self.book.judge_spent_usd)
        changing.put("judge_day", self.book.judge_day)

    def standing(self, changing: Transaction) -> None:
        """Degraded or overdue, and people told when the judge has been away for too long."""
        judging = self.book.policy.judging
        now = self._clock.boot()
        down_s = 0.0 if self.book.judge_failing_since is None else now - self.book.judge_failing_since
        degraded = ""
        if self._judge is None:
            degraded = "no judge is configured: detectors alone"
        elif self._spent():
            degraded = f"the judge's budget of ${judging.budget_usd_per_day:.2f} a day is spent: detectors alone"
        elif down_s:
            degraded = f"the judge has given no valid verdict for {down_s:.0f} s: detectors alone"
        if down_s > judging.outage_escalate_s and not any(
            one.group == "judge-outage" for one in self.book.escalations.values()
        ):
            self._enforcer.tell(
                changing,
                Tell(group="judge-outage", severity=Severity.WARN, headline=degraded, evidence=()),
            )
        if self._judge is None and self._news() and now - self.book.inspected_at >= judging.every_s:
            self._detectors_alone(changing, now)
        unseen = self._news() and now - self.book.inspected_at > judging.overdue_after_s
        overdue = f"inspection is overdue: {degraded or 'no look in time'}" if judging.required and unseen else ""
        self._hold_level(stricter=self._judge is not None and (self._spent() or down_s > judging.outage_escalate_s))
        self.book.degraded = degraded.split(" for ", maxsplit=1)[0]
        self.book.proto = replace(self.book.proto, overdue=overdue)

    def _detectors_alone(self, changing: Transaction, now: float) -> None:
        """Without a judge, detectors that see nothing wrong for a whole interval are the inspection there is."""
        self.book.inspected_seq, self.book.inspected_at = self.book.folded_seq, now
        changing.put("inspected_seq", self.book.inspected_seq)
        self._returns.look(changing, self.book.folded_seq)

    def _hold_level(self, *, stricter: bool) -> None:
        wanted = self.book.level or self.book.policy.level
        if stricter:
            limit = self.book.policy.judging.degraded_level
            wanted = min(wanted, limit, key=LEVELS.index)
        if wanted is not self.book.proto.level:
            self.book.proto = replace(self.book.proto, level=wanted, lrev=self.book.proto.lrev + 1)
            self._enforcer.out.push = True
