"""Say what one answer used, in tokens, from the API's usage object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Usage:
    """Tokens of one model call; `input` is the part of the prompt that no cache covers."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0

    @property
    def prompt(self) -> int:
        """Return the size of the whole prompt in tokens."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    @property
    def total(self) -> int:
        """Return prompt and answer together, in tokens: what the next prompt starts with."""
        return self.prompt + self.output

    def __add__(self, other: Usage) -> Usage:
        """Return the sum, figure by figure."""
        mine, theirs = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + theirs[name] for name in mine})

    def as_dict(self) -> dict[str, int]:
        """Return plain figures for storing; `Usage(**figures)` reads them back."""
        return asdict(self)


def read(figures: Mapping[str, Any]) -> Usage:
    """Return the Usage of a usage object as the API sends it; absent or null figures count as zero.

    Compaction is billed in `iterations` beside the top-level figures (Anthropic: compaction), so its
    entries are added.
    """
    own = _one(figures)
    for iteration in figures.get("iterations") or ():
        if iteration.get("type") == "compaction":
            own += _one(iteration)
    return own


def _one(figures: Mapping[str, Any]) -> Usage:
    written = int(figures.get("cache_creation_input_tokens") or 0)
    split = figures.get("cache_creation") or {}
    long_lived = min(written, int(split.get("ephemeral_1h_input_tokens") or 0))
    return Usage(
        input=int(figures.get("input_tokens") or 0),
        output=int(figures.get("output_tokens") or 0),
        cache_read=int(figures.get("cache_read_input_tokens") or 0),
        cache_write_5m=written - long_lived,
        cache_write_1h=long_lived,
    )
