"""What the configuration holds, section by section; every value frozen, every unknown key refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from watchdogd.core.access import Scope
from watchdogd.core.checkpoint import Retention
from watchdogd.core.detect.bank import Thresholds
from watchdogd.core.ids import SEGMENT, digest_of
from watchdogd.core.lease.messages import Timing
from watchdogd.core.policy import ALL_SCOPES, Policy
from watchdogd.settings.trigger import Trigger, trigger_of

LOCAL_OPERATOR = "operator"
"""The account of the CLI on this machine; may ask for everything unless the configuration says otherwise."""


ACCOUNTS = ("supervisor", "worker", "overseer", "viewer")
"""Broker accounts that are no person's."""


class Part(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False):
    """A table of the configuration."""


def _segment(text: str) -> str:
    if not SEGMENT.match(text):
        raise ValueError(f"must be 1 to 64 of A-Z a-z 0-9 _ -, not {text!r}")
    return text


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as why:
        raise ValueError(f"not a regular expression: {why}") from None
    return text


def _inside(text: str) -> str:
    """A path below the workspace, without what could lead out of it."""
    parts = text.split("/")
    if not text or text.startswith("/") or "\0" in text or ".." in parts:
        raise ValueError(f"must be a path below the workspace, without .. and no leading /, not {text!r}")
    if re.search(r"[*?\[]", text):
        raise ValueError(f"must name a file or directory, no pattern: the sandbox mounts it read-only, not {text!r}")
    clean = "/".join(part for part in parts if part not in ("", "."))
    if not clean:
        raise ValueError("names the whole workspace: use level observe when nothing in it may change")
    return clean


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9*]([A-Za-z0-9.*_-]*[A-Za-z0-9*])?|\[?[0-9A-Fa-f:*]+\]?", text):
        raise ValueError(f"must be a host name or address (no scheme, no port, no path), not {text!r}")
    return text.lower()


def _trigger(text: str) -> str:
    trigger_of(text)
    return text


def _broker_url(text: str) -> str:
    if text == "auto":
        return text
    if re.fullmatch(r"\w+://[^/]*@.*", text):
        raise ValueError("no account in the URL: names come from [broker], passwords from credentials")
    if not re.fullmatch(r"mqtts?://(\[[0-9a-fA-F:]+\]|[^/:\s]+)(:\d{1,5})?/?", text):
        raise ValueError('must be "auto", mqtt://HOST[:PORT] or mqtts://HOST[:PORT]')
    return text.rstrip("/")


def _base_url(text: str) -> str:
    if text and not re.fullmatch(r"https?://[^/\s@]+(/\S*)?", text):
        raise ValueError("must be http:// or https:// and a host, without an account")
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,48}", text):
        raise ValueError(f"must be up to 48 of A-Z a-z 0-9 _ -, not {text!r}")
    return text


def _topic_base(text: str) -> str:
    if not text or not all(SEGMENT.match(part) for part in text.split("/")):
        raise ValueError("must be topic segments of A-Z a-z 0-9 _ - joined by /")
    return text


Segment = Annotated[str, AfterValidator(_segment)]
Seconds = Annotated[float, Field(gt=0)]
Tokens = Annotated[int, Field(gt=0)]
Bytes = Annotated[int, Field(ge=0)]
Dollars = Annotated[float, Field(gt=0)]
Price = Annotated[float, Field(ge=0)]
Regex = Annotated[str, AfterValidator(_regex)]
Below = Annotated[str, AfterValidator(_inside)]
Host = Annotated[str, AfterValidator(_host)]
Provider = Literal["anthropic", "scripted"]


class Agent(Part):
    """Which agent this is and where it lives."""

    site: Segment = "local"
    """Second part of every topic: the house, plant or host group."""
    name: Segment = "agent"
    """Third part of every topic; unique within the site."""
    state_dir: Path = Path("/var/lib/watchdogd")
    """Records, objects, conversations; mode 0700. Relative paths are taken from the configuration's directory."""
    workspace: Path
    """The directory the worker works in; the only place its tools can write."""


class BrokerSettings(Part):
    """The MQTT broker everything travels over."""

    url: Annotated[str, AfterValidator(_broker_url)] = "auto"
    """``auto`` starts mosquitto on this machine; else mqtt://HOST:PORT, or mqtts:// with TLS."""
    base: Annotated[str, AfterValidator(_topic_base)] = "watchdogd/v1"
    """First part of every topic."""
    ca_file: Path | None = None
    """Certificate authority the broker's certificate is checked against (PEM); unset: the system's."""
    role_prefix: Annotated[str, AfterValidator(_prefix)] = ""
    """Put before the account names supervisor, worker and overseer, for a broker that serves several agents."""
    allow_plain: bool = False
    """Lets passwords and orders travel to another machine without TLS."""
    operators: Mapping[Segment, tuple[Scope, ...]] = Field(
        default_factory=lambda: {LOCAL_OPERATOR: tuple(sorted(ALL_SCOPES))}
    )
    """Broker account to what that person may ask for; pausing, denying, stopping and acknowledging need no entry."""


class WorkerSettings(Part):
    """The agent that does the job, and its model."""

    provider: Provider = "anthropic"
    """``anthropic``: the Messages API; ``scripted``: a local server that follows ``scenario``."""
    model: str = Field("claude-sonnet-5-5", min_length=1)
    """Model id."""
    base_url: Annotated[str, AfterValidator(_base_url)] = ""
    """Another server that speaks the Messages API; empty: the provider's own."""
    scenario: Path | None = None
    """The scenario file of provider ``scripted``."""
    effort: Literal["low", "medium", "high"] | None = None
    """How hard the model thinks; unset: the model's default."""
    max_tokens: Tokens = 8_000
    """Longest reply (tokens)."""
    deadline_s: Seconds = 600
    """One attempt to get a reply must be over by then (seconds); nothing the provider asks for extends it."""


class JudgeSettings(Part):
    """The overseer's language model. Its schedule and budget are part of the policy."""

    enabled: bool = True
    """False: detectors alone, and the health topic says so."""
    provider: Provider = "anthropic"
    """``anthropic``: the Messages API; ``scripted``: a local server that follows ``scenario``."""
    model: str = Field("claude-haiku-5-5", min_length=1)
    """Model id; better not the worker's own."""
    base_url: Annotated[str, AfterValidator(_base_url)] = ""
    """Another server that speaks the Messages API; empty: the provider's own."""
    scenario: Path | None = None
    """The scenario file of provider ``scripted``."""
    effort: Literal["low", "medium", "high"] | None = None
    """How hard the model thinks; unset: the model's default."""
    max_tokens: Tokens = 4_000
    """Longest verdict (tokens)."""
    deadline_s: Seconds = 120
    """One verdict must be in by then (seconds); a later one is no verdict."""


class MetricSettings(Part):
    """What the mission measures itself by; the overseer sees it getting worse."""

    name: str = Field(min_length=1, max_length=100)
    """The word or field name that stands before the number in a result, such as ``accuracy``."""
    better: Literal["higher", "lower"] = "higher"
    """Which way is better."""
    tool: str = ""
    """Only results of this tool are read for it; empty: of any."""


class Mission(Part):
    """A job: what is to be reached, by which rules, and what it may cost."""

    name: Segment
    """Stable identity; the key of its table."""
    goal: str = Field(min_length=1)
    """What is to be reached, in words for the model."""
    rules: tuple[str, ...] = ()
    """What must be kept to, in words for the model and the overseer."""
    protect: tuple[Below, ...] = ()
    """Paths below the workspace that no call may change, with or without approval; mounted read-only in the sandbox."""
    deny_commands: tuple[Regex, ...] = ()
    """Regular expressions over commands that never run, with or without approval."""
    done_when: str = ""
    """A shell command run in the workspace; exit status 0 means done. Empty: the model's word counts."""
    done_timeout_s: Seconds = 120
    """``done_when`` must answer by then (seconds); else it counts as not done."""
    done_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """How often the model may say it is done while ``done_when`` disagrees."""
    trigger: Annotated[str, AfterValidator(_trigger)] = "request"
    """``start``, ``request``, ``cron MINUTE HOUR DAY MONTH WEEKDAY`` (local time) or ``interval SECONDS``."""
    budget_usd: Dollars | None = None
    """Money one run may spend on its model (US dollars). One of the two budgets must be set."""
    budget_tokens: Tokens | None = None
    """Tokens one run may use, input and output (tokens). One of the two budgets must be set."""
    deadline_s: Seconds | None = None
    """The run is stopped after this (seconds); unset: budgets and ``max_steps`` bound it."""
    max_steps: Annotated[int, Field(ge=1)] = 1_000
    """Model turns in one run."""
    hosts: tuple[Host, ...] = ()
    """Network hosts this mission needs, as globs; listed for the gate, and any other is news to the overseer."""
    metric: MetricSettings | None = None
    """What the mission measures itself by; unset: nothing, and slow drift is looked for in words and tools alone."""

    @property
    def starts(self) -> Trigger:
        """When it starts."""
        return trigger_of(self.trigger)


class ToolSettings(Part):
    """What a tool call may use."""

    sandbox: Literal["auto", "bwrap", "none"] = "auto"
    """``auto``: bubblewrap when a probe run works, else no shell tool; ``bwrap``: refuse to start without it;
    ``none``: no containment, only for the demo's own scratch workspace."""
    time_s: Seconds = 120
    """A command is ended after this (seconds)."""
    output_bytes: Annotated[int, Field(ge=1_000)] = 64_000
    """What of a command's output the model sees, head and tail (bytes)."""
    memory_bytes: Annotated[int, Field(ge=32 * 1024**2)] = 2 * 1024**3
    """Address space of each process of a command (bytes)."""
    file_bytes: Annotated[int, Field(ge=1_000)] = 1024**3
    """Largest file a command can write (bytes)."""
    processes: Annotated[int, Field(ge=8)] = 256
    """Processes a command can have at once."""
    hosts: tuple[Host, ...] = ()
    """Network hosts every mission may reach, as globs."""


class CheckpointSettings(Part):
    """Saved states of workspace and conversation, to return to."""

    every_s: Seconds = 900
    """One is taken between two steps when something was called since and the last is as old as this (seconds)."""
    before_risky: bool = True
    """One is taken before a call that is destructive, dangerous or reaches outside."""
    deadline_s: Seconds = 20
    """The worker's step waits for one at most this long (seconds); what is late is incomplete, and never a target."""
    exclude: tuple[Below, ...] = ()
    """Paths below the workspace that are neither saved nor restored."""
    store_bytes: Annotated[int, Field(ge=1024**2)] = 20 * 1024**3
    """All checkpoints together (bytes); beyond that none is taken, and people are told."""
    file_bytes: Annotated[int, Field(ge=1024, le=32 * 1024**3)] = 4 * 1024**3
    """A larger file is named and not saved (bytes)."""
    keep: Retention = Retention()
    """Which are kept."""


class Limits(Part):
    """What the daemon may take from the machine."""

    disk_floor_bytes: Bytes = 256 * 1024**2
    """With less free space than this below the state directory the worker holds (bytes)."""


class RecordSettings(Part):
    """What the overseer forgets: its copies of events, answers to old requests, closed questions; never a row."""

    keep_days: Annotated[float, Field(ge=1)] = 30
    """What is younger stays, as long as there is room (days)."""
    keep_runs: Annotated[int, Field(ge=1)] = 20
    """The events of the newest runs stay whatever their age and size."""
    size_bytes: Annotated[int, Field(ge=16 * 1024**2)] = 2 * 1024**3
    """Beyond this, events go before their time, oldest first (bytes of the record in use)."""


class Notify(Part):
    """How people are told when MQTT itself is gone."""

    command: tuple[str, ...] = ()
    """Program and arguments, run by systemd's OnFailure= and when the broker is lost; the headline comes on stdin."""
    timeout_s: Seconds = 30
    """It is ended after this (seconds)."""


class ModelPrice(Part):
    """What one model costs (US dollars per million tokens)."""

    input: Price
    """Input that was not cached (US dollars per million tokens)."""
    output: Price
    """Output (US dollars per million tokens)."""
    cache_write_5m: Price | None = None
    """Input written to the cache for five minutes (US dollars per million tokens); unset: 1.25 times ``input``."""
    cache_write_1h: Price | None = None
    """Input written to the cache for an hour (US dollars per million tokens); unset: 2 times ``input``."""
    cache_read: Price | None = None
    """Input read from the cache (US dollars per million tokens); unset: 0.10 times ``input``."""


class Settings(Part):
    """The whole configuration, valid and resolved. Holds no secret."""

    agent: Agent
    broker: BrokerSettings = BrokerSettings()
    worker: WorkerSettings = WorkerSettings()
    judge: JudgeSettings = JudgeSettings()
    missions: tuple[Mission, ...] = ()
    """In the file: a table ``[missions.NAME]`` each."""
    policy: Policy = Policy()
    """In the file: the name of a shipped policy, or a table that changes one."""
    timing: Timing = Timing()
    detect: Thresholds = Thresholds()
    tools: ToolSettings = ToolSettings()
    checkpoints: CheckpointSettings = CheckpointSettings()
    limits: Limits = Limits()
    records: RecordSettings = RecordSettings()
    notify: Notify = Notify()
    prices: Mapping[str, ModelPrice] = Field(default_factory=dict)
    """Models the shipped price table lacks or has wrong, a table each; see :func:`pricing.price_table`."""

    @property
    def digest(self) -> str:
        """Changes if and only if the configuration does."""
        # The policy by its own digest: a set dumped as it comes has another order in every process.
        return digest_of(self.model_dump(mode="json", exclude={"policy"}) | {"policy": self.policy.digest})

    def mission(self, name: str) -> Mission | None:
        """The mission of that name."""
        return next((one for one in self.missions if one.name == name), None)
