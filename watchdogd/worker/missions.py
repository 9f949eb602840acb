"""Missions: when they start, which run is under way; the worker outlives them all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from watchdogd.core.conversation import Message, result, said
from watchdogd.core.errors import RecordFenced, RecordFull, SnapshotError
from watchdogd.core.events import RunFinished, RunStarted, ToolFinished
from watchdogd.core.lease.messages import RunOrder
from watchdogd.core.lifecycle import Mission, Run, Started
from watchdogd.ports import Clock, Record, Schedule
from watchdogd.worker.checkpoints import Checkpoints
from watchdogd.worker.journal import Journal, Writing
from watchdogd.worker.preview import LOST, Rehearsals, would_have
from watchdogd.worker.run import DISK_RETRY_S, Drained, Runner, in_doubt

KEEP_RUNS = 20
"""Finished runs whose conversation is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When a mission starts by itself."""

    mission: str
    kind: Literal["start", "cron", "interval", "request"]
    cron: str = ""
    every_s: float = 0.0


class Missions:
    """Queues what is due and carries it out, one run at a time."""

    def __init__(
        self,
        *,
        missions: Mapping[str, Mission],
        triggers: Sequence[Trigger],
        runner: Runner,
        record: Record,
        journal: Journal,
        schedule: Schedule,
        clock: Clock,
        checkpoints: Checkpoints,
        workspace: str,
        daemon_boot: str,
        rehearsals: Rehearsals,
        denied_paths: Sequence[str],
    ) -> None:
        self.missions = dict(missions)
        self._triggers = tuple(triggers)
        self._runner, self._record, self._journal = runner, record, journal
        self._schedule, self._clock, self._checkpoints = schedule, clock, checkpoints
        self._workspace, self._daemon_boot = workspace, daemon_boot
        self._rehearsals = rehearsals
        self._denied_paths = tuple(denied_paths)
        self._due = asyncio.Event()
        self.current: asyncio.Task[RunFinished] | None = None
        self.last: RunFinished | None = None

    def request(self, mission: str, trigger: str) -> None:
        """Queues ``mission``, unless a start of it already waits."""
        waiting = self._record.scan(RunOrder, "queue/")
        if any(order.mission == mission and order.by == trigger and not order.dry_run for _, order in waiting):
            return
        with self._journal.transaction() as writing:
            writing.put(f"queue/{trigger}-{self._clock.nonce()}", RunOrder(mission=mission, by=trigger))
        self._due.set()

    def poke(self) -> None:
        """Something may have been queued."""
        self._due.set()

    async def run(self) -> None:
        """Triggers, and one run after the other, for as long as the worker lives."""
        await self._checkpoints.ready(lambda: self._runner.draining)
        if self._runner.draining:
            raise Drained
        for trigger in self._triggers:
            self._arm(trigger)
        recovered = self._record.load(Run, "run/current")
        if recovered is not None:
            self._recover(recovered)
            await self._carry_out(recovered, lost=recovered.dry_run)
        while True:
            self._due.clear()
            await self._roll_back(within=False)
            queued = self._record.scan(RunOrder, "queue/", limit=1)
            if self._runner.draining:
                raise Drained
            if not queued:
                await self._due.wait()
                continue
            key, order = queued[0]
            mission = self.missions.get(order.mission)
            if mission is None:
                with self._journal.transaction() as writing:
                    writing.drop(key)
                continue
            await self._carry_out(self._open(key, order, mission))

    def _arm(self, trigger: Trigger) -> None:
        match trigger.kind:
            case "start":
                key = f"started/{trigger.mission}"
                if self._record.load(str, key) == self._daemon_boot:
                    return
                open_run = self._record.load(Run, "run/current")
                if (
                    open_run is None or open_run.dry_run or open_run.mission.name != trigger.mission
                ):  # else that run goes on: it is the start
                    self.request(trigger.mission, "start")
                with self._journal.transaction() as writing:
                    writing.put(key, self._daemon_boot)
            case "cron":
                self._schedule.cron(trigger.cron, lambda: self.request(trigger.mission, "cron"))
            case "interval":
                self._schedule.every(trigger.every_s, lambda: self.request(trigger.mission, "interval"))
            case "request":
                pass

    def _open(self, key: str, order: RunOrder, mission: Mission) -> Run:
        run = Run(
            id=f"r{self._journal.head + 1}",
            mission=mission,
            trigger=order.by,
            started_at=self._clock.wall(),
            messages=1,
            dry_run=order.dry_run,
        )
        self._journal.run, self._journal.step = run.id, 0
        metric = mission.metric
        with self._journal.transaction() as writing:
            writing.event(
                RunStarted(
                    mission=mission.name,
                    goal=mission.goal,
                    rules=mission.rules,
                    protected=tuple(dict.fromkeys((*mission.protect, *self._denied_paths))),
                    workspace=self._workspace,
                    hosts=mission.hosts,
                    metric=metric.name if metric else "",
                    metric_better=metric.better if metric else "higher",
                    metric_tool=metric.tool if metric else "",
                    budget_usd=mission.budget_usd,
                    deadline_s=mission.deadline_s,
                    trigger=order.by,
                    dry_run=order.dry_run,
                    request=order.request,
                )
            )
            writing.put(f"message/{run.id}/000000", said("user", mission.goal))
            writing.put("run/current", run)
            writing.drop(key)
        return run

    async def _roll_back(self, *, within: bool) -> None:
        """Carries out the rollback that is due, if any, to its end: ``within`` the run under way, or between runs.

        Raises:
            Drained: told to end; it is on disk, and the first thing the next worker does.
            RecordFenced: another worker has taken over.
        """
        while self._checkpoints.due:
            if self._runner.draining:
                raise Drained
            run = self._record.load(Run, "run/current") if within else None
            try:  # a run that is stopped has no use for its conversation
                await self._checkpoints.roll_back(None if run is not None and run.stop else run)
            except RecordFenced:
                raise
            except RecordFull:
                await self._clock.sleep(DISK_RETRY_S)

    async def _cut(self, run: Run) -> None:
        """The call that a rollback cut is in doubt, once the disk takes that. Raises: RecordFenced."""
        while True:
            try:
                self._recover(run, because="rolled_back")
            except RecordFenced:
                raise
            except RecordFull:
                await self._clock.sleep(DISK_RETRY_S)
            else:
                return

    def _recover(self, run: Run, *, because: str = "effect") -> None:
        """W1: a started call without its end is in doubt; reads may be repeated, all others are told to the model."""
        self._journal.run, self._journal.step = run.id, run.step
        started = self._record.load(Started, "call/current")
        if started is None:
            return
        text = in_doubt(started)
        with self._journal.transaction() as writing:
            writing.event(
                ToolFinished(
                    call=started.call,
                    tool=started.tool,
                    outcome="in_doubt",
                    error_class="read" if started.reading else because,
                    result=self._journal.text(text),
                )
            )
            writing.drop("call/current")
            if not started.reading:
                self._tell(writing, run, started, text)

    def _tell(self, writing: Writing, run: Run, started: Started, text: str) -> None:
        # The result joins the user turn that answers the last assistant message, as the API asks.
        index = run.messages - 1
        last = self._record.load(Message, f"message/{run.id}/{index:06d}")
        if last is None or started.call.startswith("done-"):
            return
        block = result(started.call, text, is_error=True)
        if last.role == "user":
            kept = [one for one in last.content if one.get("type") == "tool_result"]
            rest = [one for one in last.content if one.get("type") != "tool_result"]
            writing.put(f"message/{run.id}/{index:06d}", Message(role="user", content=(*kept, block, *rest)))
            return
        writing.put(f"message/{run.id}/{index + 1:06d}", Message(role="user", content=(block,)))
        writing.put("run/current", replace(run, messages=run.messages + 1))

    async def _carry_out(self, run: Run, *, lost: bool = False) -> None:
        """Works on ``run`` to its end; ``lost`` is a dry run whose copy died with an earlier worker."""
        self._journal.run, self._journal.step = run.id, run.step
        finished = self._without_copy(run, LOST) if lost else None
        try:
            while finished is None:
                await self._roll_back(within=True)
                run = self._record.load(Run, "run/current") or run
                finished = await self._ended(run)
            would = await self._rehearsals.end() if run.dry_run else None
            if would is not None:
                finished = replace(finished, reason=f"{finished.reason} (dry run: {would_have(would)})")
        finally:
            await self._rehearsals.discard()
        self.last = finished
        with self._journal.transaction() as writing:
            cut = self._record.load(Started, "call/current")
            if cut is not None:
                text = "the run was ended while this call ran"
                writing.event(
                    ToolFinished(
                        call=cut.call,
                        tool=cut.tool,
                        outcome="in_doubt",
                        error_class="stopped",
                        result=self._journal.text(text),
                    )
                )
            if would is not None:
                writing.event(would)
            writing.event(finished)
            writing.drop("run/current")
            writing.drop("call/current")
            for key, _ in self._record.scan(dict, "say/"):
                writing.drop(key)
        self._forget_old_runs(run)
        self._runner.run_now = None
        self._journal.run, self._journal.step = "", 0

    async def _ended(self, run: Run) -> RunFinished | None:
        """The run's end; None when a rollback has to be done first. Both cancel whatever it is doing.

        Raises:
            Drained: told to end.
            RecordFenced: another worker has taken over.
        """
        task = asyncio.get_running_loop().create_task(self._performed(run), name=f"run {run.id}")
        self.current = task
        try:
            await asyncio.wait({task})
        finally:
            self.current = None
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if not task.cancelled():
            return task.result()
        stored = self._record.load(Run, "run/current")
        if stored is not None and stored.stop:
            cost = None if stored.unpriced else round(stored.spent_usd, 6)
            return RunFinished(outcome="stopped", reason=stored.stop, cost_usd=cost, steps=stored.step)
        if stored is not None and self._checkpoints.due and not self._runner.draining:
            await self._cut(stored)
            return None
        raise Drained

    async def _performed(self, run: Run) -> RunFinished:
        """The run's end; a dry run begins with its copy and has nothing to fall back on.

        Raises:
            Drained: told to end.
            RecordFenced: another worker has taken over.
        """
        if run.dry_run:
            self._runner.run_now = run
            try:
                await self._rehearsals.begin(run)
            except SnapshotError as why:
                return self._without_copy(run, f"no dry run: {why}")
        return await self._runner.carry_out(run)

    @staticmethod
    def _without_copy(run: Run, why: str) -> RunFinished:
        cost = None if run.unpriced else round(run.spent_usd, 6)
        return RunFinished(outcome="failed", reason=why, cost_usd=cost, steps=run.step)

    def stop_now(self) -> None:
        """A stop or a rollback was ordered: what the run does is cancelled; its tool's process tree is killed first."""
        if self.current is not None:
            self.current.cancel()

    def _forget_old_runs(self, run: Run) -> None:
        finished = [*(self._record.load(list, "runs/finished") or []), run.id]
        with self._journal.transaction() as writing:
            for old in finished[:-KEEP_RUNS]:
                for prefix in ("message", "asked", "answer", "approval"):
                    for key, _ in self._record.scan(dict, f"{prefix}/{old}/", limit=10_000):
                        writing.drop(key)
            writing.put("runs/finished", finished[-KEEP_RUNS:])
