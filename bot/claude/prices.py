"""Decide what model calls cost in US dollars and how many output tokens a budget buys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from bot.claude.usage import Usage
from bot.errors import Blocked

MOST_OUTPUT = 32_000  # tokens asked for in one call at most
LEAST_OUTPUT = 2_000  # below this a call isn't worth making: out of budget
_MILLION = Decimal(1_000_000)
_STEP = Decimal("0.000001")


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens."""

    input: Decimal
    output: Decimal
    write_5m: Decimal
    write_1h: Decimal
    read: Decimal


@dataclass(frozen=True)
class Tariff:
    """The price of a model; prompts of more than `tier_above` tokens cost `above` altogether."""

    base: Price
    tier_above: int | None = None
    above: Price | None = None

    def for_prompt(self, tokens: int) -> Price:
        """Return the price for a prompt of that size."""
        if self.above is not None and self.tier_above is not None and tokens > self.tier_above:
            return self.above
        return self.base


def _price(figures: str) -> Price:
    return Price(*(Decimal(figure) for figure in figures.split()))


_OPUS_4_AND_5 = Tariff(_price("5 25 6.25 10 0.50"))

# Anthropic's price list of November 2026: input, output, write for 5 minutes, write for 1 hour, read.
TARIFFS: Mapping[str, Tariff] = {
    "claude-fable-5-2": Tariff(_price("8 40 10 16 0.20")),
    "claude-fable-5-1": Tariff(_price("10 50 12.5 20 0.25")),
    "claude-opus-5-5": Tariff(_price("4 20 5 8 0.20")),
    "claude-opus-5": _OPUS_4_AND_5,
    "claude-opus-4-8": _OPUS_4_AND_5,
    "claude-opus-4-7": _OPUS_4_AND_5,
    "claude-opus-4-6": _OPUS_4_AND_5,
    "claude-opus-4-5": _OPUS_4_AND_5,
    "claude-sonnet-5-5": Tariff(_price("2 10 2.5 4 0.10")),
    "claude-sonnet-5": Tariff(_price("2 10 2.5 4 0.20")),
    "claude-sonnet-4-6": Tariff(_price("3 15 3.75 6 0.30")),
    "claude-haiku-5-5": Tariff(
        _price("0.10 0.50 0.125 0.20 0.01"), 100_000, _price("0.50 2.50 0.625 1.00 0.05")
    ),
    "claude-haiku-4-5": Tariff(_price("1 5 1.25 2 0.10")),
}


class NoPrice(Blocked):
    """The model is not in the price list, so that its cost can't be capped."""


def tariff(model: str) -> Tariff:
    """Return the tariff of a model id: the id itself, a dated form (-20261001) of it, or its -latest.

    The longest fitting name wins, and a name fits only as a whole: `claude-opus-5-9` is not
    `claude-opus-5`. Raises NoPrice, naming the known models.
    """
    for name in sorted(TARIFFS, key=len, reverse=True):
        if re.fullmatch(rf"{re.escape(name)}(-20\d{{6}}|-latest)?", model):
            return TARIFFS[name]
    known = ", ".join(TARIFFS)
    raise NoPrice(f"No price is known for the model {model!r}, so its cost can't be capped; known: {known}.")


def cost(model: str, usage: Usage) -> Decimal:
    """Return the US dollars of one call, rounded up to a millionth."""
    price = tariff(model).for_prompt(usage.prompt)
    parts = (
        usage.input * price.input,
        usage.output * price.output,
        usage.cache_write_5m * price.write_5m,
        usage.cache_write_1h * price.write_1h,
        usage.cache_read * price.read,
    )
    return (sum(parts, Decimal(0)) / _MILLION).quantize(_STEP, ROUND_CEILING)


def reservation(model: str, prompt_tokens: int, max_tokens: int) -> Decimal:
    """Return the most that a call can cost: nothing read from the cache, all written, all output used.

    We write for 5 minutes only (`caching`), so that is the dearest a prompt token gets.
    """
    price = tariff(model).for_prompt(prompt_tokens)
    most = prompt_tokens * max(price.input, price.write_5m) + max_tokens * price.output
    return (most / _MILLION).quantize(_STEP, ROUND_CEILING)


def affordable(model: str, prompt_tokens: int, remaining: Decimal, ceiling: int = MOST_OUTPUT) -> int:
    """Return the `max_tokens` of the next call: the smaller of the ceiling and what the money buys.

    Returns 0 when that is below 2,000 (or below the ceiling, when the ceiling is lower): out of budget.
    """
    left = remaining - reservation(model, prompt_tokens, 0)
    if left <= 0:
        return 0
    bought = int((left * _MILLION / tariff(model).for_prompt(prompt_tokens).output).to_integral(ROUND_FLOOR))
    tokens = min(ceiling, bought)
    return tokens if tokens >= min(LEAST_OUTPUT, ceiling) else 0
