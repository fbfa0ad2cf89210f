"""Decide how one request travels: its address, its time-outs, and which redirects are followed."""

import json
import re
from collections.abc import Mapping
from typing import Any

import aiohttp
from gidgethub import sansio
from yarl import URL

from bot.errors import JourneymanError
from bot.github import faults
from bot.github.answers import Answer

API_VERSION = "2022-11-28"
ACCEPT = "application/vnd.github+json"
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
_MOST_REDIRECTS = 3
_DOTS = (".", "..")
_PATH_VARIABLE = re.compile(r"\{/?(\w+)")  # not those of a query, {?name}, which may be left out


class Broken(JourneymanError):
    """No whole answer came; `unsent` says that the request cannot have reached GitHub."""

    def __init__(self, message: str, *, unsent: bool) -> None:
        super().__init__(message)
        self.unsent = unsent


class Wire:
    """Requests to one GitHub API and nowhere else."""

    def __init__(self, http: aiohttp.ClientSession, api_url: str, user_agent: str) -> None:
        self._http = http
        self._base = api_url.rstrip("/")
        self._origin = URL(api_url).origin()
        self._user_agent = user_agent

    def url(self, template: str, variables: Mapping[str, Any]) -> URL:
        """Return the address of a path template (RFC 6570) filled with encoded variables.

        Raises ValueError for an absolute address, a missing path variable, and a variable that would climb
        out of its path segment: encoding leaves dots alone.
        """
        if not template.startswith("/") or template.startswith("//"):
            raise ValueError(f"{template!r} is not a path below the API's address")
        for name, value in variables.items():
            if value is None or value == "" or _climbs(value):
                raise ValueError(f"{name}={value!r} cannot be part of {template}")
        missing = set(_PATH_VARIABLE.findall(template)) - set(variables)
        if missing:
            raise ValueError(f"{template} needs {', '.join(sorted(missing))}")
        return URL(sansio.format_url(template, variables, base_url=self._base), encoded=True)

    def follow(self, address: str, here: URL) -> URL:
        """Return an address that GitHub gave us (a next page, a redirect), if it is on the same API host."""
        target = here.join(URL(address, encoded=True))
        if target.origin() != self._origin:
            raise faults.Moved(
                f"GitHub points from {here.path} to another host, {target.host}: not followed."
            )
        return target

    async def exchange(self, method: str, url: URL, headers: Mapping[str, str], data: Any | None) -> Answer:
        """Send one request and return its answer, redirects on the same host followed.

        301 and 302 are followed for GET only; 307 and 308 keep method and body. Raises Broken.
        """
        body = None if data is None else json.dumps(data).encode()
        sent = {
            **sansio.create_headers(self._user_agent, accept=ACCEPT),
            "x-github-api-version": API_VERSION,
            **({"content-type": "application/json"} if body is not None else {}),
            **headers,
        }
        for _ in range(_MOST_REDIRECTS + 1):
            answer = await self._once(method, url, sent, body)
            location = answer.headers.get("location")
            followed = answer.status in {307, 308} or (answer.status in {301, 302} and method == "GET")
            if not followed or location is None:
                return answer
            url = self.follow(location, url)
        raise faults.Moved(f"GitHub redirects {url.path} in circles.")

    async def _once(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        try:
            async with self._http.request(
                method, url, headers=headers, data=body, allow_redirects=False, timeout=_TIMEOUT
            ) as response:
                return Answer(method, url.path, response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            unsent = isinstance(fault, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            why = str(fault) or type(fault).__name__
            raise Broken(f"{method} {url.path}: {why}", unsent=unsent) from fault


def _climbs(value: Any) -> bool:
    if isinstance(value, str):
        return value in _DOTS
    return isinstance(value, list | tuple) and any(part in _DOTS or part == "" for part in value)
