"""The price table in force: the shipped one, with single models replaced by the configuration."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from watchdogd.core.budget import Price, Prices, parse_prices
from watchdogd.settings.model import ModelPrice, Settings

SHIPPED = Path(__file__).parent / "prices.toml"


def _price(own: ModelPrice) -> Price:
    """``own`` with the cache prices that were left out: 1.25, 2 and 0.10 times the input price, the provider's rule."""
    return Price(
        input=own.input,
        output=own.output,
        cache_write_5m=own.input * 1.25 if own.cache_write_5m is None else own.cache_write_5m,
        cache_write_1h=own.input * 2 if own.cache_write_1h is None else own.cache_write_1h,
        cache_read=own.input * 0.10 if own.cache_read is None else own.cache_read,
    )


def price_table(settings: Settings) -> Prices:
    """What every known model costs."""
    shipped = parse_prices(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    own = {name: _price(price) for name, price in settings.prices.items()}
    return replace(shipped, models={**shipped.models, **own})
