"""Decide which part of a prompt counts as read from the cache, as written to it, or as plain input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.claude.binding import Link

LOOK_BACK = 20  # blocks that one breakpoint looks back over (Anthropic: prompt caching)
LIFETIMES = {"5m": 300.0, "1h": 3600.0}


@dataclass(frozen=True)
class Figures:
    """The prompt's tokens, split the way that usage reports them."""

    plain: int
    read: int
    written_5m: int
    written_1h: int

    @property
    def total(self) -> int:
        """Return the size of the prompt."""
        return self.plain + self.read + self.written_5m + self.written_1h


class Cache:
    """The prefixes that are warm, per model, by the hash of everything up to a breakpoint."""

    def __init__(self, clock: Callable[[], float], minimum_tokens: int) -> None:
        """Take the clock in seconds and the smallest prefix worth keeping."""
        self._clock = clock
        self._minimum = minimum_tokens
        self._until: dict[tuple[str, str], tuple[float, float]] = {}

    def look_up(self, model: str, links: Sequence[Link], automatic: Mapping[str, Any] | None) -> Figures:
        """Return the figures for a prompt and keep its prefixes at each breakpoint."""
        sizes: list[int] = []
        for link in links:
            sizes.append((sizes[-1] if sizes else 0) + link.tokens)
        marks = _breakpoints(links, automatic)
        best = self._longest(model, links, sizes, marks)
        read = sizes[best] if best >= 0 else 0
        written = dict.fromkeys(LIFETIMES, 0)
        done = read
        for position, lifetime in sorted(marks.items()):
            if position <= best or sizes[position] < self._minimum:
                continue
            written[lifetime] += sizes[position] - done
            done = sizes[position]
            self._keep((model, links[position].digest), LIFETIMES[lifetime])
        total = sizes[-1] if sizes else 0
        return Figures(total - done, read, written["5m"], written["1h"])

    def _longest(
        self, model: str, links: Sequence[Link], sizes: Sequence[int], marks: Mapping[int, str]
    ) -> int:
        now = self._clock()
        for mark in sorted(marks, reverse=True):
            for position in range(mark, max(-1, mark - LOOK_BACK), -1):
                key = (model, links[position].digest)
                until, lifetime = self._until.get(key, (0.0, 0.0))
                if until > now and sizes[position] >= self._minimum:
                    self._keep(key, lifetime)
                    return position
        return -1

    def _keep(self, key: tuple[str, str], lifetime: float) -> None:
        self._until[key] = (self._clock() + lifetime, lifetime)


def _breakpoints(links: Sequence[Link], automatic: Mapping[str, Any] | None) -> dict[int, str]:
    marks: dict[int, str] = {}
    for position, link in enumerate(links):
        control = link.block.get("cache_control")
        if control:
            marks[position] = str(control.get("ttl", "5m"))
    if automatic and links:
        last = max((n for n, link in enumerate(links) if link.block.get("type") != "thinking"), default=-1)
        if last >= 0:
            marks.setdefault(last, str(automatic.get("ttl", "5m")))
    return marks
