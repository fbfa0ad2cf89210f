"""Decide how long one installation must be quiet after GitHub said that it asks too much.

The rules are GitHub's ("Rate limits for the REST API"): `retry-after` first; else, when nothing remains, the
reset time; else at least a minute, doubling while it goes on.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from bot.github import faults
from bot.github.answers import Answer

log = structlog.get_logger(__name__)

SHORT = 60.0  # seconds that we wait ourselves; anything longer is the caller's to plan
_LEAST_SECONDARY = 60.0
_MOST_SECONDARY = 1800.0
_SPREAD = 10.0  # seconds of jitter after a long pause, so that parked tasks do not return together


class Limits:
    """The pause of one installation; the others go on."""

    def __init__(self, name: str, clock: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._jitter = jitter
        self._until = 0.0
        self._strikes = 0
        self._struck_at = float("-inf")

    @property
    def left(self) -> float:
        """Return the seconds until the next request may leave."""
        return max(0.0, self._until - self._clock())

    async def ready(self, sleep: Callable[[float], Awaitable[object]]) -> None:
        """Return when a request may leave, after at most a minute's wait; else raise RateLimited."""
        while (left := self.left) > 0:
            if left > SHORT:
                raise limited("GitHub's rate limit holds us back", left, self._clock())
            await sleep(left)

    def note(self, answer: Answer, asked_at: float) -> bool:
        """Learn from an answer; return whether it refused for a limit (then it changed nothing)."""
        refused = is_limit(answer)
        reset = _until_reset(answer, self._clock())
        if not refused:
            if answer.status < 400:
                self._strikes = 0
            if reset is not None:
                self._pause(reset, "primary, used up")
            return False
        after = _number(answer, "retry-after")
        if after is not None:
            self._pause(max(after, 1.0), "secondary, told")
        elif reset is not None:
            self._pause(reset, "primary")
        else:
            self._strike(asked_at)
        return True

    def _strike(self, asked_at: float) -> None:
        """Pause for a minute, doubling; answers to requests sent before the last strike count once."""
        if asked_at > self._struck_at:
            self._strikes += 1
            self._struck_at = self._clock()
            self._pause(min(_LEAST_SECONDARY * 2 ** (self._strikes - 1), _MOST_SECONDARY), "secondary")

    def _pause(self, seconds: float, why: str) -> None:
        spread = self._jitter() * _SPREAD if seconds > SHORT else 0.0
        self._until = max(self._until, self._clock() + seconds + spread)
        log.info("github.limited", installation=self._name, seconds=round(seconds, 1), why=why)


def limited(why: str, seconds: float, now: float) -> faults.RateLimited:
    """Return the error that tells a person until when, in UTC."""
    until = datetime.fromtimestamp(now + seconds, UTC)
    return faults.RateLimited(f"{why} until {until:%H:%M} UTC.", retry_after=seconds)


def is_limit(answer: Answer) -> bool:
    """Return whether a 403 or 429 is about the amount of requests, not about permission."""
    if answer.status == 429:
        return True
    if answer.status != 403:
        return False
    words = answer.message.lower()
    if "rate limit" in words or "abuse detection" in words or _number(answer, "retry-after") is not None:
        return True
    return _number(answer, "x-ratelimit-remaining") == 0 and "not accessible" not in words


def _until_reset(answer: Answer, now: float) -> float | None:
    """Return the seconds until the primary limit resets, by GitHub's own clock, when nothing remains."""
    if _number(answer, "x-ratelimit-remaining") != 0:
        return None
    if answer.headers.get("x-ratelimit-resource", "core") != "core":
        return None
    reset = _number(answer, "x-ratelimit-reset")
    if reset is None:
        return None
    return max(reset - (answer.moment or now), 1.0)


def _number(answer: Answer, header: str) -> float | None:
    try:
        return float(answer.headers[header])
    except (KeyError, ValueError):
        return None
