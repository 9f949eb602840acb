"""The budget before a call: a reply as long as it reaches, or no call at all."""

from __future__ import annotations

from functools import partial

import pytest

from tests.scripted import PLAN, scenario
from watchdogd.adapters.claude import Claude
from watchdogd.adapters.clock import SystemClock
from watchdogd.core.budget import PER, Price, Prices, affordable_tokens, at_most_usd
from watchdogd.core.conversation import said
from watchdogd.core.errors import ModelError
from watchdogd.core.lifecycle import Mission, Run
from watchdogd.ports import ModelRequest, ToolSpec
from watchdogd.sim.messages_api import served
from watchdogd.worker.spending import SHORTEST_REPLY_TOKENS, affordable, input_tokens, vetoed

PRICES = Prices(
    as_of="2026-11-01",
    models={"m": Price(input=2.0, output=10.0, cache_write_5m=2.5, cache_write_1h=4.0, cache_read=0.2)},
)
AFFORDS = partial(affordable_tokens, PRICES)
REQUEST = ModelRequest(model="m", system="s" * 3_000, conversation=(said("user", "go"),), max_tokens=8_000)


def run(*, usd: float | None = None, tokens: int | None = None, spent_usd: float = 0.0, spent: int = 0) -> Run:
    mission = Mission(name="n", goal="g", budget_usd=usd, budget_tokens=tokens)
    return Run(id="r1", mission=mission, spent_usd=spent_usd, tokens=spent)


def worst(request: ModelRequest) -> float:
    usd = at_most_usd(PRICES, "m", input_tokens=input_tokens(request), max_tokens=request.max_tokens, hour_cache=False)
    assert usd is not None
    return usd


def test_a_call_that_the_budget_reaches_for_is_made_as_it_is() -> None:
    assert affordable(REQUEST, run(usd=1.0), AFFORDS) == REQUEST
    assert affordable(REQUEST, run(), AFFORDS) == REQUEST


def test_a_reply_is_shortened_to_what_is_left() -> None:
    tight = run(usd=1.0, spent_usd=0.95)
    within = affordable(REQUEST, tight, AFFORDS)
    assert isinstance(within, ModelRequest)
    assert SHORTEST_REPLY_TOKENS <= within.max_tokens < REQUEST.max_tokens
    assert 0.05 - 10.0 / PER < worst(within) <= 0.05


def test_a_call_whose_reply_would_be_too_short_to_be_of_use_is_not_made() -> None:
    floor = worst(REQUEST) - (REQUEST.max_tokens - SHORTEST_REPLY_TOKENS) * 10.0 / PER
    assert isinstance(affordable(REQUEST, run(usd=floor + 1e-9), AFFORDS), ModelRequest)
    why = affordable(REQUEST, run(usd=floor - 1e-4), AFFORDS)
    assert isinstance(why, str)
    assert "does not reach" in why


def test_a_model_without_a_price_is_not_asked_on_a_budget() -> None:
    assert isinstance(
        affordable(REQUEST, run(usd=1_000.0), partial(affordable_tokens, Prices(as_of="", models={}))), str
    )


def test_a_budget_in_tokens_counts_what_is_sent_and_what_may_come_back() -> None:
    sent = input_tokens(REQUEST)
    within = affordable(REQUEST, run(tokens=sent + 2_000, spent=1_000), AFFORDS)
    assert isinstance(within, ModelRequest)
    assert within.max_tokens == 1_000
    assert isinstance(affordable(REQUEST, run(tokens=sent), AFFORDS), str)


@pytest.mark.parametrize(("text", "tokens"), [("word " * 300, 500), ("漢" * 300, 300), ("🙂" * 300, 400)])
def test_what_is_sent_is_counted_in_bytes_whatever_the_script(text: str, tokens: int) -> None:
    empty = ModelRequest(model="m", system="", conversation=(said("user", ""),))
    more = ModelRequest(model="m", system="", conversation=(said("user", text),))
    assert input_tokens(more) - input_tokens(empty) == pytest.approx(tokens, abs=1)


def test_tools_are_sent_too() -> None:
    tool = ToolSpec(name="t", description="d" * 3_000, schema={})
    with_tool = ModelRequest(model="m", system=REQUEST.system, conversation=REQUEST.conversation, tools=(tool,))
    assert input_tokens(with_tool) - input_tokens(REQUEST) > 1_000


async def test_the_last_look_before_the_wire_vetoes_what_goes_beyond_the_budget() -> None:
    sent: list[ModelRequest] = []
    poor = run(usd=0.05)

    def veto(request: ModelRequest) -> str | None:
        why = vetoed(request, poor, AFFORDS)
        if why is None:
            sent.append(request)
        return why

    within = affordable(REQUEST, poor, AFFORDS)
    assert isinstance(within, ModelRequest)
    async with served(scenario(PLAN), speed=0) as url:
        model = Claude(clock=SystemClock(), api_key="k", base_url=url, before_attempt=veto)
        try:
            with pytest.raises(ModelError) as raised:
                await model.ask(REQUEST)
            reply = await model.ask(within)
        finally:
            await model.close()
    assert raised.value.kind == "budget"
    assert sent == [within]
    assert reply.tool_uses
