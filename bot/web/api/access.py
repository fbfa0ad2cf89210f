"""Decide who may call the API, and how often."""

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence

import limits
import structlog
from aiohttp import web
from cachetools import LRUCache
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from bot.web.api.problems import Handler, Problem

log = structlog.get_logger(__name__)

REALM = 'Bearer realm="journeyman"'
# The name of routes that anybody may ask for, once the API is in use at all.
PUBLIC = "public"
# Whoever sends so many wrong tokens in a minute is guessing; a broken script or a test of the API is not.
MOST_FAILURES = 600
FAILURE_SECONDS = 60
# Addresses remembered at once: an attacker with more of them must not fill our memory.
MOST_ADDRESSES = 10_000
PERIODS: dict[str, type[limits.RateLimitItem]] = {
    "s": limits.RateLimitItemPerSecond,
    "min": limits.RateLimitItemPerMinute,
    "h": limits.RateLimitItemPerHour,
}

CALLER = web.RequestKey("caller", str)


def rate(text: str) -> limits.RateLimitItem:
    """Return the limit that "60/min" says; raises ValueError for anything else than N/s, N/min or N/h."""
    amount, _, period = text.partition("/")
    if not (amount.isascii() and amount.isdigit() and int(amount) and period in PERIODS):
        raise ValueError("must be a number of requests per s, min or h, as 60/min")
    return PERIODS[period](int(amount))


class Access:
    """The door of `/api/v1`: a bearer token (RFC 6750), a rate for each, and patience with mistakes."""

    def __init__(
        self, tokens: Sequence[str], api_rate: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._digests = [hashlib.sha256(token.encode()).digest() for token in tokens]
        self._rate = rate(api_rate)
        self._window = MovingWindowRateLimiter(MemoryStorage())
        self._clock = clock
        # By address: when its minute began, and how many wrong tokens came in it.
        self._failures: LRUCache[str, tuple[float, int]] = LRUCache(MOST_ADDRESSES)
        # Who was let in before is not shut out by what others do at the same address (a proxy's, perhaps).
        self._known: LRUCache[tuple[str, str], bool] = LRUCache(MOST_ADDRESSES)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a call through, or raise the Problem that it is answered with."""
        if self._digests and request.match_info.route.name == PUBLIC:
            return await handler(request)
        caller = self._caller(request)
        if not await self._window.hit(self._rate, caller):
            stats = await self._window.get_window_stats(self._rate, caller)
            raise _too_many(f"this token's limit is {self._rate}", stats.reset_time - time.time())
        request[CALLER] = caller
        return await handler(request)

    def _caller(self, request: web.Request) -> str:
        """Return a name for the token that is none of its secrets."""
        address = request.remote or ""
        given = _token(request.headers.get("Authorization", ""))
        since, failures = self._failures.get(address, (self._clock(), 0))
        if self._clock() - since >= FAILURE_SECONDS:
            since, failures = self._clock(), 0
        found = self._find(given)
        if found is not None and (failures < MOST_FAILURES or (address, found) in self._known):
            self._known[address, found] = True
            return found
        if not self._digests:
            raise _unknown("the API is off: no JOURNEYMAN_API_TOKENS are set", REALM)
        if given is None:
            raise _unknown("send `Authorization: Bearer TOKEN`", REALM)
        if failures >= MOST_FAILURES:
            left = since + FAILURE_SECONDS - self._clock()
            raise _too_many("too many calls with a wrong token came from your address", left)
        self._failures[address] = since, failures + 1
        log.info("api.token_refused", address=address)
        raise _unknown("the token is not valid", f'{REALM}, error="invalid_token"')

    def _find(self, given: str | None) -> str | None:
        """Compare with every token, in a time that tells nothing of how near a guess was."""
        if given is None:
            return None
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        same = [hmac.compare_digest(digest, one) for one in self._digests]
        return digest.hex() if any(same) else None


def _token(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _unknown(detail: str, challenge: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})


def _too_many(detail: str, seconds: float) -> Problem:
    return Problem(429, detail, headers={"Retry-After": str(max(1, round(seconds + 0.5)))})
