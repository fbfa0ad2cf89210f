"""Decide whom the egress proxy asks, with which credentials, and which redirects it follows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from bot.workspace.registries import Registries, Registry

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOPS = 5


class Refused(Exception):
    """The proxy doesn't do this; the text says why."""


class Upstream:
    """The registries as the proxy sees them; remembers which were away and which turned us down."""

    def __init__(
        self, registries: Registries, session: aiohttp.ClientSession, extra_hosts: Sequence[str]
    ) -> None:
        self.registries = registries
        self.unreachable: dict[str, str] = {}
        self.denied: dict[str, int] = {}
        self.file_hosts: set[str] = set()
        self._session = session
        self._extra = frozenset(host.lower() for host in extra_hosts)

    def owner(self, url: URL) -> Registry | None:
        """Return the registry that an address belongs to, by its host and then by its path."""
        same = [one for one in self.registries.all if one.url.origin() == url.origin()]
        within = [one for one in same if url.path.startswith(one.url.path)]
        return max(within, key=lambda one: len(one.url.path), default=same[0] if same else None)

    def is_extra(self, url: URL) -> bool:
        """Say whether the repository's configuration lists this host, on its usual port."""
        return bool(url.host) and str(url.host).lower() in self._extra and url.port in {80, 443}

    @asynccontextmanager
    async def fetch(
        self, method: str, url: URL, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask, following redirects only to places that were allowed before.

        Raises Refused for another redirect, aiohttp.ClientError, TimeoutError or OSError when nobody answers.
        """
        asked = {**headers, "Accept-Encoding": "identity"}
        for _hop in range(_HOPS):
            owner = self.owner(url)
            login = {"Authorization": owner.authorization} if owner and owner.authorization else {}
            try:
                response = await self._session.request(
                    method, url, headers={**asked, **login}, allow_redirects=False
                )
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.unreachable[url.authority] = type(error).__name__
                raise
            async with response:
                if response.status not in _REDIRECTS or "Location" not in response.headers:
                    self._judge(url, response.status)
                    yield response
                    return
                url = url.join(URL(response.headers["Location"]))
            if not self._may_follow(url):
                raise Refused(f"A redirect leads to {url.host}, which no index page lists.")
        raise Refused("Too many redirects.")

    def _judge(self, url: URL, status: int) -> None:
        if status >= 500 or status == 429:
            self.unreachable[url.authority] = f"HTTP {status}"
        elif status in {401, 403, 407}:
            self.denied[url.authority] = status

    def _may_follow(self, url: URL) -> bool:
        if url.scheme not in {"http", "https"} or not url.host:
            return False
        listed = url.authority in self.file_hosts or self.is_extra(url)
        return self.owner(url) is not None or (url.scheme == "https" and listed)
