"""Money: what a call costs, what has been spent, whether more may be, and when it will be gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from watchdogd.core.events import Usage

PER = 1_000_000
"""Prices are per so many tokens."""

BYTES_PER_TOKEN = 3

DAY_S = 86_400.0
"""A day's budget runs from midnight to midnight UTC (seconds)."""

WINDOW_S = 3_600.0
"""Forecasts look back so far (seconds): long enough to smooth a burst, short enough to see a runaway."""

KEPT = 64
"""Spendings kept for the forecast, at most."""

MIN_SPAN_S = 60.0
"""A rate is not taken over less than this (seconds): two calls in a second are not a trend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One model's price (USD per million tokens)."""

    input: float
    output: float
    cache_write_5m: float
    cache_write_1h: float
    cache_read: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A dated table of prices."""

    as_of: str
    """ISO date on which the prices were looked up."""
    models: Mapping[str, Price]
    also: Mapping[str, str] = field(default_factory=dict)
    """Declared other ids of a model: exact, or a beginning that ends in ``*``."""

    def of(self, model: str) -> Price | None:
        """The price of ``model``; None when the table does not declare it. Nothing is guessed from likeness."""
        exact = self.models.get(model) or self.models.get(self.also.get(model, ""))
        if exact is not None:
            return exact
        stems = [name for name in self.also if name.endswith("*") and model.startswith(name[:-1])]
        return self.models.get(self.also[max(stems, key=len)]) if stems else None


_FIELDS = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")


def _dollars(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{where}: not a number")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{where}: must be 0 or more, and finite")
    return float(value)


def _table(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: not a table")
    return value


def _known(table: Mapping[str, object], names: tuple[str, ...], where: str) -> None:
    if unknown := sorted(table.keys() - set(names)):
        raise ValueError(f"{where}{unknown[0]}: unknown key")


def _date(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, str):
        return date.fromisoformat(value).isoformat()
    raise ValueError("as_of: the date of the prices is missing")


def parse_prices(data: Mapping[str, object]) -> Prices:
    """The price table in ``data`` (as read from ``prices.toml``).

    Raises:
        ValueError: the first thing that is wrong with it, with its key.
    """
    _known(data, ("as_of", "source", "models"), "")
    models: dict[str, Price] = {}
    also: dict[str, str] = {}
    for name, given in _table(data.get("models"), "models").items():
        table = _table(given, f"models.{name}")
        _known(table, (*_FIELDS, "also"), f"models.{name}.")
        if missing := [one for one in _FIELDS if one not in table]:
            raise ValueError(f"models.{name}.{missing[0]}: missing")
        rates = {one: _dollars(table[one], f"models.{name}.{one}") for one in _FIELDS}
        models[name] = Price(**rates)
        others = table.get("also", [])
        for other in others if isinstance(others, list | tuple) else [others]:
            if not isinstance(other, str) or not other.rstrip("*") or "*" in other[:-1]:
                raise ValueError(f"models.{name}.also: {other!r} is neither an id nor a beginning with * at its end")
            if also.get(other, name) != name:
                raise ValueError(f"models.{name}.also: {other} already belongs to {also[other]}")
            also[other] = name
    if clash := sorted(also.keys() & models.keys()):
        raise ValueError(f"models.{also[clash[0]]}.also: {clash[0]} has a price of its own")
    return Prices(as_of=_date(data.get("as_of")), models=models, also=also)


def cost_usd(prices: Prices, model: str, usage: Usage) -> float | None:
    """What a call cost (USD); None when the model has no price. ``cache_write_tokens`` are those for five minutes."""
    price = prices.of(model)
    if price is None:
        return None
    return (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_read_tokens * price.cache_read
        + usage.cache_write_tokens * price.cache_write_5m
        + usage.cache_write_1h_tokens * price.cache_write_1h
    ) / PER


def tokens_at_most(size_bytes: int) -> int:
    """About the most tokens that ``size_bytes`` of UTF-8 count as.

    The provider names 3.5 characters of English a token; code and other scripts have fewer. Three bytes leave room.
    """
    return -(-size_bytes // BYTES_PER_TOKEN)


def _dearest(price: Price, *, hour_cache: bool) -> float:
    return max(price.input, price.cache_write_5m, price.cache_write_1h if hour_cache else 0.0)


def at_most_usd(
    prices: Prices, model: str, *, input_tokens: int, max_tokens: int, hour_cache: bool = True
) -> float | None:
    """The most a call can cost (USD): all input written to the cache (for an hour, if it may be), all output used."""
    price = prices.of(model)
    if price is None:
        return None
    return (input_tokens * _dearest(price, hour_cache=hour_cache) + max_tokens * price.output) / PER


def affordable_tokens(prices: Prices, model: str, *, input_tokens: int, max_tokens: int, left_usd: float) -> int:
    """The longest reply (tokens, ``max_tokens`` at most) whose worst price fits into ``left_usd``.

    0 when not even the input fits, or when the price is unknown. Our own requests ask for five minutes of cache.
    """
    price = prices.of(model)
    if price is None:
        return 0
    rest = left_usd * PER - input_tokens * _dearest(price, hour_cache=False)
    if rest < 0:
        return 0
    return max_tokens if price.output == 0 else min(max_tokens, int(rest / price.output))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What may be spent at most (USD); None = no such cap."""

    run_usd: float | None = None
    day_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What was spent so far. Folded from spendings; survives a restart as plain data. Runs follow one another."""

    run: str = ""
    run_usd: float = 0.0
    run_unpriced: bool = False
    """Some call of the run had no price: ``run_usd`` is a lower bound."""
    day: int = 0
    """Days since 1970 in UTC; never goes back, whatever the clock does."""
    day_usd: float = 0.0
    day_unpriced: bool = False
    recent: tuple[tuple[float, float], ...] = ()
    """Newest spendings as (unix time, USD), oldest first."""


def _on_day(ledger: Ledger, at: float) -> Ledger:
    day = int(at // DAY_S)
    return replace(ledger, day=day, day_usd=0.0, day_unpriced=False) if day > ledger.day else ledger


def spent(ledger: Ledger, *, run: str, at: float, usd: float | None) -> Ledger:
    """The ledger after a call of ``run`` at unix time ``at`` that cost ``usd`` (None = unknown price)."""
    now = _on_day(ledger, at)
    if run != now.run:
        now = replace(now, run=run, run_usd=0.0, run_unpriced=False)
    if usd is None:
        return replace(now, run_unpriced=True, day_unpriced=True)
    kept = [one for one in now.recent if at - one[0] <= WINDOW_S][-(KEPT - 1) :]
    return replace(now, run_usd=now.run_usd + usd, day_usd=now.day_usd + usd, recent=(*kept, (at, usd)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why no more money may be spent."""

    cap: Literal["run", "day"]
    reason: str


def _refused(cap: Literal["run", "day"], limit: float, used: float, next_usd: float | None) -> Refusal | None:
    whose = "run's" if cap == "run" else "day's"
    if next_usd is None:
        return Refusal(cap=cap, reason=f"the next call has no known price, so the {whose} budget cannot be kept")
    if used >= limit:
        return Refusal(cap=cap, reason=f"the {whose} budget is spent: ${used:.2f} of ${limit:.2f}")
    if used + next_usd > limit:
        text = f"${used:.2f} of ${limit:.2f} is spent and the next call may cost ${next_usd:.2f}"
        return Refusal(cap=cap, reason=f"the {whose} budget does not reach: {text}")
    return None


def may_spend(caps: Caps, ledger: Ledger, *, run: str, at: float, next_usd: float | None = 0.0) -> Refusal | None:
    """Whether a call that costs at most ``next_usd`` may be made now; None = it may.

    A hard cap: unknown prices, past or next, refuse as soon as there is a cap to keep.
    """
    now = _on_day(ledger, at)
    same = run == now.run
    sides: tuple[tuple[Literal["run", "day"], float | None, float, bool], ...] = (
        ("run", caps.run_usd, now.run_usd if same else 0.0, now.run_unpriced and same),
        ("day", caps.day_usd, now.day_usd, now.day_unpriced),
    )
    for cap, limit, used, unpriced in sides:
        if limit is None:
            continue
        if unpriced:
            return Refusal(cap=cap, reason=f"a call of the {cap} had no known price, so its budget cannot be kept")
        refused = _refused(cap, limit, used, next_usd)
        if refused is not None:
            return refused
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """At this rate."""

    usd_per_h: float
    ends_at: float | None
    """Unix time at which the first cap is reached; None = not before the day's budget starts anew, or no cap."""
    cap: Literal["run", "day"] | None = None


def forecast(caps: Caps, ledger: Ledger, at: float) -> Forecast | None:
    """How fast money goes and when it ends, from the last hour's calls; None when there are too few to tell."""
    now = _on_day(ledger, at)
    recent = [one for one in now.recent if at - one[0] <= WINDOW_S]
    if len(recent) < 2:
        return None
    per_s = sum(usd for _, usd in recent) / max(MIN_SPAN_S, at - recent[0][0])
    ends: list[tuple[float, Literal["run", "day"]]] = []
    if per_s > 0 and caps.run_usd is not None:
        ends.append((at + max(0.0, caps.run_usd - now.run_usd) / per_s, "run"))
    if per_s > 0 and caps.day_usd is not None:
        end = at + max(0.0, caps.day_usd - now.day_usd) / per_s
        if end < (now.day + 1) * DAY_S:
            ends.append((end, "day"))
    first = min(ends, default=None)
    return Forecast(usd_per_h=per_s * 3_600, ends_at=first[0] if first else None, cap=first[1] if first else None)
