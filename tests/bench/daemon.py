"""The daemon beside a bare loop: what gate, record and lease add to a step; how fast a pause holds; start; memory."""

from __future__ import annotations

import asyncio
import shutil
import socket
import statistics
import tempfile
import time
from pathlib import Path

from tests.e2e.daemon import Daemon, running
from tests.e2e.viewer import Viewer
from watchdogd.adapters.claude import Claude
from watchdogd.adapters.clock import SystemClock
from watchdogd.adapters.files import RootedFiles
from watchdogd.adapters.sandbox import choose
from watchdogd.core.conversation import Conversation, Message, result, said, unanswered, with_user
from watchdogd.core.events import Event
from watchdogd.core.lease.messages import Ack
from watchdogd.ports import ModelRequest, SandboxProfile
from watchdogd.sim import catalogue
from watchdogd.sim.messages_api import served
from watchdogd.sim.scenario_file import load
from watchdogd.worker.tools.toolbox import Toolbox

STEPS = 60
"""Model turns compared."""
PAUSES = 40
FORBIDDEN = """
name = "forbidden"
about = "Tries what is forbidden, again and again; for measuring how fast that is stopped."
[worker]
latency_s = 0.02
[[worker.turn]]
id = "again"
text = "Once more."
calls = [{ tool = "shell", args = { command = "rm -r raw" } }]
next = "again"
"""
MISSION = """
[missions.forbidden]
goal = "measure"
protect = ["raw"]
budget_usd = 50.0
max_steps = 100000
"""


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def _bare(root: Path) -> float:
    """Seconds per step of the same model and tools without gate, record, lease and broker."""
    clock = SystemClock()
    source = catalogue.directory("long-haul")
    workspace = root / "bare"
    shutil.copytree(source / "workspace", workspace)
    sandbox = await choose(clock, scratch=True)
    profile = SandboxProfile(workspace=str(workspace))
    toolbox = Toolbox(run="r", files=RootedFiles(workspace), sandbox=sandbox, profile=profile, clock=clock)
    async with served(load(source / "scenario.toml"), speed=0) as url:
        model = Claude(clock=clock, api_key="k", base_url=url)
        conversation: Conversation = (said("user", "measure"),)
        began, steps = 0.0, 0
        for turn in range(STEPS + 5):
            if turn == 5:
                began = time.perf_counter()
            reply = await model.ask(
                ModelRequest(model="m", system="s", conversation=conversation, tools=toolbox.specs(), deadline_s=60)
            )
            conversation = (*conversation, Message(role="assistant", content=reply.content))
            blocks = []
            for use in unanswered(conversation):
                done = await toolbox.run(toolbox.prepare(use), until_boot_s=float("inf"), launched=lambda: None)
                blocks.append(result(use.id, done.text, is_error=not done.ok))
            conversation = with_user(conversation, blocks)
            steps += turn >= 5
        spent = time.perf_counter() - began
        await model.close()
    return spent / steps


def _with_daemon(root: Path) -> tuple[float, list[float]]:
    """Seconds per step under the daemon, and for each call the seconds from intent to start."""
    waits: list[float] = []
    with running(root, scenario="long-haul", timing=None) as daemon:
        viewer = daemon.viewer()
        at: dict[int, float] = {}
        intended: dict[str, float] = {}
        viewer.wait("the end of the run", lambda one: one.topic == "event/run_finished", deadline_s=600)
        for one in list(viewer.seen):
            if one.message is None or not isinstance(one.payload, Event):
                continue
            body = one.payload.body
            if body.kind == "model_called":
                at[one.payload.step] = one.payload.at or 0.0
            elif body.kind == "tool_intended":
                intended[body.call] = one.payload.at or 0.0
            elif body.kind == "tool_started" and body.call in intended:
                waits.append((one.payload.at or 0.0) - intended[body.call])
        steps = sorted(at)
        low, high = steps[5], steps[min(len(steps) - 1, STEPS + 5)]
        return (at[high] - at[low]) / (high - low), waits


def _pauses(root: Path) -> list[float]:
    """Seconds from a published bad event to the worker's acknowledgement of the pause."""
    scenario = root / "forbidden.toml"
    scenario.write_text(FORBIDDEN)
    acked: list[float] = []
    with running(root / "d", scenario=scenario, mission=MISSION, timing=None) as daemon:
        (daemon.workspace / "raw").mkdir(exist_ok=True)
        watcher = Watcher(daemon)
        viewer = daemon.viewer("anna")
        for _ in range(PAUSES):
            seconds = watcher.next_pause()
            acked.append(seconds)
            _resume(viewer)
    return acked


def _resume(viewer: Viewer) -> None:
    viewer._client.publish(f"{viewer.root}/control/request/anna", b"resume", qos=1)


class Watcher:
    """Clocks messages as they arrive."""

    def __init__(self, daemon: Daemon) -> None:
        self._viewer = daemon.viewer()
        self._mark = 0
        self._lrev = 0

    def next_pause(self) -> float:
        """Seconds between the next refused call's event and the acknowledgement of a higher revision."""
        arrived: dict[str, float] = {}

        def look(one: object) -> bool:
            message = getattr(one, "message", None)
            if message is None:
                return False
            payload = message.payload
            if isinstance(payload, Event) and payload.body.kind == "gated" and "event" not in arrived:
                arrived["event"] = message.at
            if isinstance(payload, Ack) and "event" in arrived and payload.lrev > self._lrev:
                self._lrev = payload.lrev
                arrived["ack"] = message.at
                return True
            return False

        self._viewer.wait("a pause", look, since=self._mark, deadline_s=120)
        self._mark = self._viewer.mark
        return arrived["ack"] - arrived["event"]


def _start(root: Path) -> float:
    """Seconds from exec to READY=1."""
    address = root / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(address))
        sock.settimeout(60)
        daemon = Daemon(root=root / "d", scenario="long-haul", timing=None, env={"NOTIFY_SOCKET": str(address)})
        daemon.prepare()
        began = time.perf_counter()
        try:
            daemon.start()
            while b"READY=1" not in sock.recv(65536):
                continue
            return time.perf_counter() - began
        finally:
            daemon.end()


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _memory(root: Path) -> dict[str, float]:
    with running(root, scenario="long-haul", timing=None) as daemon:
        viewer = daemon.viewer()
        viewer.event("tool_finished", lambda body: body.outcome == "ok")
        return {
            role: sum(_pss(pid) for pid in daemon.pids(role)) for role in ("supervisor", "worker", "overseer", "broker")
        }


def run() -> None:
    """Prints everything."""
    with tempfile.TemporaryDirectory(prefix="watchdogd-bench-") as scratch:
        root = Path(scratch)
        bare = asyncio.run(_bare(root))
        ours, waits = _with_daemon(root / "a")
        print(f"step: bare loop {bare * 1e3:.1f} ms, under the daemon {ours * 1e3:.1f} ms, ratio {ours / bare:.2f}")
        print(f"step: added {1e3 * (ours - bare):.1f} ms, which is {100 * (ours - bare):.2f} % of a step of 1 s")
        print(
            f"call: intent to start (gate, record, lease) p50 {1e3 * statistics.median(waits):.1f} ms, "
            f"p99 {1e3 * _percentile(waits, 0.99):.1f} ms, {len(waits)} calls"
        )
        acked = _pauses(root)
        print(
            "pause: published bad event to the worker's acknowledged pause "
            f"p50 {1e3 * statistics.median(acked):.1f} ms, "
            f"p99 {1e3 * _percentile(acked, 0.99):.1f} ms, {len(acked)} pauses"
        )
        starts = []
        for n in range(3):
            (root / f"s{n}").mkdir()
            starts.append(_start(root / f"s{n}"))
        print(f"start to READY=1: median {statistics.median(starts):.2f} s of {len(starts)}")
        memory = _memory(root / "m")
        parts = ", ".join(f"{role} {mib:.0f}" for role, mib in memory.items())
        print(f"PSS in MiB: {parts}; together {sum(memory.values()):.0f}")
