"""The supervisor as a list of named tasks: roles, dead-man's switch, channel, local socket, what is published."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from watchdogd.core.errors import BusDown, RecordError
from watchdogd.core.health import Channel, ChannelHealth, Severity
from watchdogd.core.ids import Role
from watchdogd.core.lease.supervisor import Decided, Standing
from watchdogd.core.policy import Policy
from watchdogd.core.proof import Proof, TreeState
from watchdogd.ports import Bus, Child, Clock, Link, Notifier
from watchdogd.ports import Channel as OverseerChannel
from watchdogd.supervisor.children import Ended, Keeper
from watchdogd.supervisor.deadman import DeadMan
from watchdogd.wire.channel import Adopt, Command, Decide, Done, Hello, LeaseReport, Lift, Lifted, Ready, Restrict
from watchdogd.wire.messages import ChannelReport, HealthReport, Info, Message, ProcessReport, ProcessState

TIMER_S = 0.25
OVERSEER_GONE_S = 10.0
"""An overseer that said nothing for so long leaves no health that counts (seconds)."""
SILENT_OVERSEER_S = 60.0
"""An overseer process that says nothing for so long is restarted; until then its restart freezes nobody (seconds)."""
REPEAT_S = 30.0
LOCAL_ANSWER_S = 5.0
BROKER_GONE_S = 60.0
"""A broker that was away for so long is told without MQTT, once (seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAnswer:
    """What the local socket replies."""

    ok: bool
    text: str
    status: ProcessReport | None = None


class Supervisor:
    """Everything the supervisor process does while it runs."""

    def __init__(
        self,
        *,
        deadman: DeadMan,
        worker: Callable[[Callable[[], bool], Callable[[Child], None], Callable[[Ended], None]], Keeper],
        overseer: Callable[[Callable[[], bool], Callable[[Child], None], Callable[[Ended], None]], Keeper],
        bus: Bus,
        clock: Clock,
        notifier: Notifier,
        info: Info,
        boot: str,
        say: Callable[[str], None],
        alarm: Callable[[str], None],
    ) -> None:
        self._deadman, self._bus, self._clock, self._notifier = deadman, bus, clock, notifier
        self._info, self._boot, self._say, self._alarm = info, boot, say, alarm
        self._worker = worker(lambda: deadman.may_spawn, self._worker_started, self._ended)
        self._worker.on_proven = self._proven_gone
        self._overseer = overseer(lambda: True, self._overseer_started, self._ended)
        self._channel: OverseerChannel | None = None
        self._channel_due = asyncio.Event()
        self._heard_at = clock.boot()
        self._overseer_up = False
        self._status_line = "starting"
        self._dirty = asyncio.Event()
        self._pending: dict[str, asyncio.Future[Done]] = {}
        self._report_now: ProcessReport | None = None
        self._stopping = asyncio.Event()
        self._ready_told = False
        self._link_was_up = False
        self._info_due = False
        self._telling: asyncio.Future[None] | None = None
        self._reason = "starting"

    # --- life ---

    async def run(self) -> None:
        """Runs until ``stop`` was called and everything is down."""
        async with asyncio.TaskGroup() as tasks:
            named = [
                tasks.create_task(self._overseer.run(), name="overseer"),
                tasks.create_task(self._worker.run(), name="worker"),
                tasks.create_task(self._timers(), name="timers"),
                tasks.create_task(self._looking(), name="looking"),
                tasks.create_task(self._hearing(), name="channel"),
                tasks.create_task(self._publishing(), name="publishing"),
            ]
            await self._stopping.wait()
            self._notifier.stopping()
            await self._end()
            for task in named:
                task.cancel()

    def stop(self) -> None:
        """SIGTERM: ends in order."""
        self._stopping.set()

    async def _end(self) -> None:
        self._reason = "stopping"
        proof = await self._worker.stop(grace_s=20, at_once=self._deadman.must_not_act)
        if proof is not None and proof.state is not TreeState.EXITED:
            self._say(f"the worker's processes are not proven gone: {proof.headline}")
        if proof is not None:
            self._deadman.gone(proof)
        self._dirty.set()
        await self._overseer.stop(grace_s=10)

    # --- children ---

    def _worker_started(self, child: Child) -> None:
        self._reason = "running"
        self._deadman.spawned(child.tree)
        self._dirty.set()

    def _overseer_started(self, child: Child) -> None:
        self._channel = child.channel
        self._heard_at = self._clock.boot()
        self._channel_due.set()
        self._dirty.set()

    def _ended(self, ended: Ended) -> None:
        what = f"{ended.role.value} ended with status {ended.status}"
        if ended.gave_up:
            what = f"{what}; {ended.gave_up}, next try in {ended.again_in_s:.0f} s"
            self._telling = asyncio.get_running_loop().run_in_executor(None, self._alarm, what)
        if not self._stopping.is_set():
            self._say(what)
        if ended.role is Role.WORKER:
            self._reason = what
            self._deadman.gone(ended.proof)
        else:
            self._overseer_up = False
        self._dirty.set()

    def _proven_gone(self, proof: Proof) -> None:
        self._deadman.gone(proof)
        self._dirty.set()

    # --- the channel ---

    async def _hearing(self) -> None:
        while True:
            await self._channel_due.wait()
            self._channel_due.clear()
            channel = self._channel
            if channel is None:
                continue
            with suppress(BusDown):
                async for line in channel.received():
                    self._heard_at = self._clock.boot()
                    await self._heard(line)
            self._overseer_up = False
            self._dirty.set()

    async def _heard(self, line: object) -> None:
        match line:
            case Hello(epoch=epoch):
                self._deadman.hello(epoch)
                self._tell_restriction()
            case LeaseReport(epoch=epoch, age_s=age_s):
                await self._deadman.reported(epoch, age_s)
            case Ready(status=status):
                self._status_line = status
                if not self._overseer_up:
                    self._overseer_up = True
                    self._dirty.set()
                await self._deadman.ready()
                self._tell_systemd()
            case Decide(what=what, by=by, reason=reason):
                self._say(f"{what} by {by}: {reason}")
                self._reason = f"{what} by {by}: {reason}"
                decided = Decided(kind=what, by=by, reason=reason, at=self._clock.wall())
                await self._deadman.decide(decided)
            case Lift() as lift:
                with suppress(RecordError):  # unanswered, so it is said again
                    if await self._deadman.lift(lift.by, n=lift.n, at=lift.at):
                        self._say(f"the decision was taken back by {lift.by}")
                        self._worker.poke()
                    self._tell_lifted(lift.n)
            case Done(id=name):
                waiting = self._pending.pop(name, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(line)
            case _:
                return
        self._dirty.set()

    def adopt(self, policy: Policy, by: str) -> bool:
        """Hands a new policy to the overseer; False when there is none to hand it to.

        The worker ends at its next boundary and is started again with the policy's denials: its run goes on.
        """
        self._info = replace(
            self._info, policy=policy.digest, policy_name=policy.name, mode=policy.mode, level=policy.level
        )
        self._info_due = True
        self._dirty.set()
        worker = self._worker.child
        try:
            if self._channel is None:
                return False
            self._channel.send(Adopt(policy=policy, by=by))
        except BusDown:
            return False
        finally:
            if worker is not None:
                worker.renew()
        return True

    def restrict(self, why: str) -> None:
        """Remote control is off because of ``why``, on again when that is empty; overseer and ``info`` say so."""
        self._info = replace(self._info, remote_control=not why, remote_control_why=why)
        self._info_due = True
        self._dirty.set()
        self._tell_restriction()

    def _tell_lifted(self, n: int) -> None:
        if self._channel is not None:
            with suppress(BusDown):
                self._channel.send(Lifted(n=n))

    def _tell_restriction(self) -> None:
        if self._channel is not None:
            with suppress(BusDown):
                self._channel.send(Restrict(why=self._info.remote_control_why))

    # --- the local socket ---

    async def local(self, command: str, user: str, text: str) -> LocalAnswer:
        """Pause, stop or status for somebody on this machine, whom the caller has authenticated."""
        report = self._report()
        if command == "status":
            return LocalAnswer(ok=True, text=self._status_line, status=report)
        if command not in ("pause", "stop"):
            return LocalAnswer(ok=False, text=f"the local socket offers pause, stop and status, not {command}")
        if self._channel is not None and self._overseer_up:
            done = await self._through_overseer(command, user, text)
            if done is not None:
                return LocalAnswer(ok=done.ok, text=done.text, status=report)
        kind: Literal["freeze", "kill"] = "kill" if command == "stop" else "freeze"
        decided = Decided(kind=kind, by=user, reason=text or command, at=self._clock.wall())
        proof = await self._deadman.decide(decided)
        self._reason = f"{kind} by {user}: {text or command}"
        self._dirty.set()
        shown = proof.headline if proof is not None else "no worker was running"
        text = f"the overseer does not answer, so the supervisor did it alone ({kind}): {shown}"
        return LocalAnswer(ok=True, text=text, status=report)

    async def _through_overseer(self, command: str, user: str, text: str) -> Done | None:
        name = self._clock.nonce()
        waiting: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._pending[name] = waiting
        try:
            if self._channel is None:
                return None
            kind: Literal["pause", "stop"] = "pause" if command == "pause" else "stop"
            self._channel.send(Command(id=name, command=kind, user=user, text=text))
            async with asyncio.timeout(LOCAL_ANSWER_S):
                return await waiting
        except (BusDown, TimeoutError):
            return None
        finally:
            self._pending.pop(name, None)

    def of_worker(self, pid: int) -> bool:
        """Whether ``pid`` belongs to the worker's tree: such a peer may not use the local socket."""
        return self._deadman.holds(pid)

    def changed(self) -> None:
        """The worker's tree did something else than before."""
        self._dirty.set()

    # --- time ---

    async def _timers(self) -> None:
        while True:
            await self._clock.sleep(TIMER_S)
            await self._deadman.timed()
            silent = self._clock.boot() - self._heard_at
            if self._overseer_up and silent > OVERSEER_GONE_S:
                self._overseer_up = False
                self._dirty.set()
            child = self._overseer.child
            if child is not None and silent > SILENT_OVERSEER_S:
                self._say(f"the overseer has said nothing for {silent:.0f} s: it is restarted")
                self._heard_at = self._clock.boot()
                await asyncio.to_thread(child.tree.kill)
            self._tell_systemd()

    async def _looking(self) -> None:
        while True:
            await self._clock.sleep(TIMER_S)
            await self._deadman.look()

    def _tell_systemd(self) -> None:
        """Ready once; pings only while each role is as it should be."""
        as_decided = self._deadman.state.decided is not None
        # A worker that waits for its next start is held, not lost: ending the daemon would only forget its restarts.
        worker_right = self._worker.child is not None or as_decided or self._worker.pausing
        if self._overseer_up and worker_right:
            if not self._ready_told:
                self._ready_told = True
                self._notifier.ready(self._status_line)
            self._notifier.ping(self._status_line)

    # --- what is published ---

    def _state(self) -> ProcessState:
        state, proof = self._deadman.state, self._deadman.proof
        if self._stopping.is_set():
            return "stopped"
        if proof is not None and proof.state is TreeState.UNPROVEN:
            return "unproven"
        if state.decided is not None and state.decided.kind == "kill":
            return "stopped" if self._worker.child is None else "unproven"
        if self._worker.child is None:
            return "exited"
        match state.standing:
            case Standing.RUNNING:
                return "running"
            case Standing.FROZEN:  # said once it was seen to stand still, not when it was told to
                return "frozen" if proof is not None and proof.state is TreeState.FROZEN else "unproven"
            case Standing.PROBATION:
                return "probation"

    def _report(self) -> ProcessReport:
        decided = self._deadman.state.decided
        return ProcessReport(
            state=self._state(),
            reason=self._reason if decided is None else f"{decided.kind} by {decided.by}: {decided.reason}",
            proof=self._deadman.proof,
            worker_pid=self._worker.child.pid if self._worker.child else None,
            overseer_pid=self._overseer.child.pid if self._overseer.child else None,
            restarts={"worker": self._worker.restarts.total, "overseer": self._overseer.restarts.total},
            decided=decided.kind if decided else "",
            overseer="up" if self._overseer_up else "down",
        )

    def _message(self, payload: Info | ProcessReport | HealthReport | ChannelReport, text: str) -> Message:
        return Message(
            payload=payload,
            headline=text,
            at=self._clock.wall(),
            source=Role.SUPERVISOR,
            boot=self._boot,
            policy=self._info.policy,
        )

    async def _publishing(self) -> None:
        gone_since, told = self._clock.boot(), False
        while True:
            try:
                async with self._bus.connect() as link:
                    told = False
                    await link.send(self._message(self._info, f"watchdogd {self._info.version}"))
                    self._report_now, self._link_was_up = None, True
                    self._dirty.set()
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._draining(link), name="reads")
                        tasks.create_task(self._reporting(link), name="reports")
            except* BusDown:
                pass
            if self._link_was_up:
                gone_since, self._link_was_up = self._clock.boot(), False
            if not told and self._clock.boot() - gone_since > BROKER_GONE_S:
                told = True
                await asyncio.to_thread(self._alarm, "the MQTT broker is gone: the worker holds, nobody can be asked")
            await self._clock.sleep(0.5)

    @staticmethod
    async def _draining(link: Link) -> None:
        async for _ in link.received():
            continue

    async def _reporting(self, link: Link) -> None:
        last = self._clock.boot()
        told_unknown = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._dirty.wait()
            self._dirty.clear()
            if self._info_due:
                self._info_due = False
                await link.send(self._message(self._info, f"watchdogd {self._info.version}"))
            now = self._report()
            if now != self._report_now or self._clock.boot() - last > REPEAT_S:
                self._report_now, last = now, self._clock.boot()
                await link.send(self._message(now, f"{now.state}: {now.reason}"))
            if not self._overseer_up and not told_unknown:
                await self._unknown(link)
            told_unknown = not self._overseer_up

    async def _unknown(self, link: Link) -> None:
        """The overseer is gone: its old word must not stand (P4)."""
        headline = "the overseer is not there: health is unknown"
        gone = HealthReport(
            severity=Severity.UNKNOWN, channels=dict.fromkeys(Channel, Severity.UNKNOWN), run="", degraded=headline
        )
        await link.send(self._message(gone, headline))
        for channel in Channel:
            state = ChannelHealth(channel=channel, severity=Severity.UNKNOWN, headline=headline)
            await link.send(self._message(ChannelReport(health=state), headline))
