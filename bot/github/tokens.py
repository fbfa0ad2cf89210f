"""Decide which installation token a request carries: the cached one, until 80 % of its life or a 401."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from cachetools import TLRUCache

_SHARE_OF_LIFE = 0.8
_MOST_TOKENS = 4096
_YOUNG = 60.0  # seconds in which a refused permission is not worth another token


@dataclass(frozen=True)
class Scope:
    """What a token may do: empty means everything the installation may.

    An empty permission object would read as "all" too, so it is never sent.
    """

    repository_ids: tuple[int, ...] = ()
    permissions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, repository_ids: Sequence[int] = (), permissions: Mapping[str, str] | None = None) -> "Scope":
        """Return the scope with its parts in a fixed order."""
        return cls(tuple(sorted(repository_ids)), tuple(sorted((permissions or {}).items())))

    def request(self) -> dict[str, Any]:
        """Return the body of the minting request."""
        body: dict[str, Any] = {}
        if self.repository_ids:
            body["repository_ids"] = list(self.repository_ids)
        if self.permissions:
            body["permissions"] = dict(self.permissions)
        return body


EVERYTHING = Scope()


@dataclass(frozen=True)
class Token:
    """One minted token; its value stays out of representations and logs. `life` is in seconds."""

    value: str = field(repr=False)
    life: float
    minted_at: float

    @classmethod
    def of(cls, data: Mapping[str, Any], now: float, skew: float) -> "Token":
        """Read GitHub's answer at `now` by our clock, behind GitHub's by `skew` seconds."""
        expires = datetime.fromisoformat(str(data["expires_at"])).timestamp()
        return cls(str(data["token"]), max(0.0, expires - now - skew), now)


class Tokens:
    """The tokens of all installations, one request at a time for each."""

    def __init__(self, mint: Callable[[int, Scope], Awaitable[Token]], clock: Callable[[], float]) -> None:
        self._mint = mint
        self._clock = clock
        self._kept: TLRUCache[tuple[int, Scope], Token] = TLRUCache(
            _MOST_TOKENS, ttu=lambda _, token, now: now + token.life * _SHARE_OF_LIFE, timer=clock
        )
        self._locks: WeakValueDictionary[tuple[int, Scope], asyncio.Lock] = WeakValueDictionary()

    async def get(
        self, installation_id: int, scope: Scope = EVERYTHING, *, refused: str | None = None
    ) -> str:
        """Return a token; `refused` is one that GitHub answered 401 to and that must not come back."""
        key = (installation_id, scope)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            kept = self._kept.get(key)
            if kept is None or kept.value == refused:
                kept = await self._mint(installation_id, scope)
                self._kept[key] = kept
            return kept.value

    def doubt(self, installation_id: int) -> None:
        """Drop the installation's tokens of more than a minute ago: what was granted since is not in them.

        A token keeps the permissions it was minted with, so a retry after an owner's consent needs a new one.
        """
        for key, token in list(self._kept.items()):
            if key[0] == installation_id and self._clock() - token.minted_at > _YOUNG:
                self._kept.pop(key, None)


def basic(token: str) -> str:
    """Return the Authorization header value with which git over HTTP takes an installation token."""
    return "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()
