"""What a call costs and what a budget buys."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.claude import prices
from bot.claude.usage import Usage
from bot.errors import Blocked

TOKENS = st.integers(0, 900_000)
MODELS = st.sampled_from(sorted(prices.TARIFFS))


def test_each_kind_of_token_has_its_price() -> None:
    """A million of each on opus-5-5 costs what the price list says."""
    million = 1_000_000
    figures = {
        "input": 4,
        "output": 20,
        "cache_write_5m": 5,
        "cache_write_1h": 8,
        "cache_read": Decimal("0.20"),
    }
    for name, dollars in figures.items():
        assert prices.cost("claude-opus-5-5", Usage(**{name: million})) == dollars


def test_costs_are_rounded_up() -> None:
    """A single cached token is not free."""
    assert prices.cost("claude-haiku-5-5", Usage(cache_read=1)) == Decimal("0.000001")


def test_the_prompt_decides_the_tier() -> None:
    """Haiku 5.5 costs five times as much when the prompt, cached parts included, is beyond 100,000 tokens."""
    small, large = (
        Usage(cache_read=99_000, input=1_000, output=1_000),
        Usage(cache_read=99_001, input=1_000, output=1_000),
    )
    assert prices.cost("claude-haiku-5-5", small) == Decimal("0.00159")
    assert prices.cost("claude-haiku-5-5", large) > 5 * prices.cost("claude-haiku-5-5", small) - Decimal(
        "0.00001"
    )


@pytest.mark.parametrize(
    ("model", "like"),
    [
        ("claude-opus-5-5-20261001", "claude-opus-5-5"),
        ("claude-opus-5-20260210", "claude-opus-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-opus-5-5-latest", "claude-opus-5-5"),
    ],
)
def test_dated_names_cost_what_the_plain_ones_do(model: str, like: str) -> None:
    """The longest name that fits decides."""
    assert prices.tariff(model) is prices.TARIFFS[like]


@pytest.mark.parametrize(
    "model", ["claude-opus-5-9", "claude-opus-5-5x", "gpt-5", "", "claude-opus", "claude-opus-5-5-2026"]
)
def test_a_model_without_a_price_is_blocked(model: str) -> None:
    """An unknown model is refused, and the refusal names the known ones."""
    with pytest.raises(Blocked, match=r"known: .*claude-opus-5-5, .*claude-haiku-4-5"):
        prices.cost(model, Usage())


@given(MODELS, TOKENS, TOKENS, TOKENS, st.integers(0, 32_000), st.integers(0, 32_000))
def test_no_call_costs_more_than_was_reserved(
    model: str, plain: int, read: int, written: int, output: int, more: int
) -> None:
    """However the prompt is split and the output used, a reservation covers it."""
    used = Usage(input=plain, cache_read=read, cache_write_5m=written, output=output)
    assert prices.cost(model, used) <= prices.reservation(model, used.prompt, output + more)


@given(MODELS, TOKENS, st.decimals(0, 50, places=6))
def test_what_is_affordable_fits_the_budget(model: str, prompt: int, remaining: Decimal) -> None:
    """A call within `affordable` stays below the rest of the budget; the answer is 0 or 2,000 to 32,000."""
    tokens = prices.affordable(model, prompt, remaining)
    assert tokens == 0 or 2_000 <= tokens <= 32_000
    if tokens:
        assert prices.reservation(model, prompt, tokens) <= remaining + Decimal("0.000002")
    else:
        assert prices.reservation(model, prompt, 2_000) > remaining - Decimal("0.000025")


def test_the_budget_buys_up_to_the_ceiling() -> None:
    """Rich: the ceiling; in between: what the money buys; poor or in debt: nothing; low ceilings hold."""
    assert prices.affordable("claude-opus-5-5", 10_000, Decimal(5)) == 32_000
    assert prices.affordable("claude-opus-5-5", 10_000, Decimal("0.25")) == 10_000
    assert prices.affordable("claude-opus-5-5", 10_000, Decimal("0.0899")) == 0
    assert prices.affordable("claude-opus-5-5", 10_000, Decimal(-1)) == 0
    assert prices.affordable("claude-opus-5-5", 10_000, Decimal(5), ceiling=1_000) == 1_000
