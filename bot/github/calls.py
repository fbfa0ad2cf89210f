"""Decide how a call to GitHub is carried through: credentials, pauses, retries, and what is never re-sent."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from yarl import URL

from bot.github import answers, content, faults
from bot.github.answers import Answer
from bot.github.content import Content
from bot.github.etags import Etags, Kept
from bot.github.limits import Limits
from bot.github.wire import Broken, Wire

_MOST_TRIES = 4
_MOST_WAITS = 6  # short pauses that one call sits through
_MOST_PAGES = 100
_MOST_TOGETHER = 40  # GitHub allows 100 concurrent requests; several processes share them
_INLINE_BYTES = 500_000  # larger answers are parsed beside the event loop


@dataclass(frozen=True)
class Means:
    """What every caller shares: the wire and time, both handed in."""

    wire: Wire
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]


class Credentials(Protocol):
    """How a caller proves who it is."""

    async def header(self) -> str:
        """Return the Authorization header."""

    async def renew(self, refused: str, answer: Answer) -> bool:
        """Take note of a 401 to that header; return whether a retry makes sense."""

    def doubt(self) -> None:
        """Take note of a missing permission: an older token does not know what was granted since."""


@dataclass(frozen=True)
class _Call:
    method: str
    url: URL
    data: Any | None
    repeatable: bool


class Caller:
    """One identity towards GitHub: the App itself, or one of its installations.

    Every method takes a path template and its variables: `get("/repos/{owner}/{repo}{?page}", owner=...)`.
    All raise RateLimited, Unavailable or a Refused; `post` raises Uncertain when its answer was lost.
    """

    def __init__(
        self, means: Means, credentials: Credentials, limits: Limits, content: Content | None
    ) -> None:
        self._means = means
        self._credentials = credentials
        self._limits = limits
        self._content = content
        self._etags = Etags()
        self._together = asyncio.Semaphore(_MOST_TOGETHER)

    async def get(self, template: str, /, **variables: Any) -> Any:
        """Return the JSON found there."""
        return (await self._call("GET", template, variables))[0]

    async def getiter(
        self, template: str, /, *, items: str | None = None, pages: int | None = None, **variables: Any
    ) -> AsyncIterator[Any]:
        """Yield the entries of at most `pages` pages; `items` names the list inside an object.

        Without `pages` the list is read whole; raises Unavailable when it does not end.
        """
        address = self._means.wire.url(template, variables)
        for _ in range(pages or _MOST_PAGES):
            data, following = await self._carry(_Call("GET", address, None, repeatable=True))
            for entry in _entries(data, items, address):
                yield entry
            if not following:
                return
            address = self._means.wire.follow(following, address)
        if pages is None:
            raise faults.Unavailable(f"GitHub's list {address.path} has more than {_MOST_PAGES} pages.")

    async def post(
        self, template: str, /, data: Any | None = None, *, repeatable: bool = False, **variables: Any
    ) -> Any:
        """Make something; sent again after a lost answer only when GitHub itself makes that harmless."""
        return (await self._call("POST", template, variables, data, repeatable=repeatable))[0]

    async def patch(self, template: str, /, data: Any, **variables: Any) -> Any:
        """Change something to what `data` says."""
        return (await self._call("PATCH", template, variables, data))[0]

    async def put(self, template: str, /, data: Any | None = None, **variables: Any) -> Any:
        """Put something in place."""
        return (await self._call("PUT", template, variables, data))[0]

    async def delete(self, template: str, /, **variables: Any) -> None:
        """Take something away; what is already gone counts as done."""
        try:
            await self._call("DELETE", template, variables)
        except (faults.NotFound, faults.Gone):
            return

    async def pause(self, seconds: float) -> None:
        """Wait by the clock that was handed in."""
        await self._means.sleep(seconds)

    async def _call(
        self,
        method: str,
        template: str,
        variables: dict[str, Any],
        data: Any | None = None,
        *,
        repeatable: bool = True,
    ) -> tuple[Any, str | None]:
        url = self._means.wire.url(template, variables)
        return await self._carry(_Call(method, url, data, repeatable))

    async def _carry(self, call: _Call) -> tuple[Any, str | None]:
        """Send until there is an answer that settles the matter."""
        tries = waits = 0
        while True:
            try:
                answer, asked_at = await self._attempt(call)
                if self._limits.note(answer, asked_at):
                    waits += 1
                    if waits > _MOST_WAITS:
                        raise faults.RateLimited("GitHub keeps limiting us.", max(self._limits.left, 60.0))
                    continue
                answers.judge(answer)
                return await _decoded(answer)
            except faults.MissingPermission:
                self._credentials.doubt()
                raise
            except Broken as fault:
                if not (call.repeatable or fault.unsent):
                    raise faults.Uncertain(f"GitHub's answer was lost: {fault}") from fault
                failure: Exception = fault
            except faults.Unavailable as fault:
                if not call.repeatable:
                    raise faults.Uncertain(str(fault)) from fault
                failure = fault
            tries += 1
            if tries >= _MOST_TRIES:
                raise faults.Unavailable(f"GitHub cannot be reached: {failure}", 60.0) from failure
            await self._means.sleep(_backoff(tries))

    async def _attempt(self, call: _Call) -> tuple[Answer, float]:
        """Send once, and once more when the credentials were too old; return the answer and when we asked."""
        kind = content.kind_of(call.method, call.url.path)
        if self._content is not None and kind is not None:
            await self._content.slot(kind)
        kept = self._etags.find(str(call.url)) if call.method == "GET" else None
        await self._limits.ready(self._means.sleep)
        header = await self._credentials.header()
        asked_at = self._means.clock()
        answer = await self._send(call, header, kept)
        if answer.status == 401 and await self._credentials.renew(header, answer):
            answer = await self._send(call, await self._credentials.header(), kept)
        return answer, asked_at

    async def _send(self, call: _Call, authorization: str, kept: Kept | None) -> Answer:
        headers = {"authorization": authorization}
        if kept is not None:
            headers["if-none-match"] = kept.etag
        async with self._together:
            answer = await self._means.wire.exchange(call.method, call.url, headers, call.data)
        if kept is not None and answer.status == 304:
            return Answer(answer.method, answer.path, 200, {**answer.headers, **kept.headers}, kept.body)
        if call.method == "GET" and answer.status == 200:
            self._etags.keep(str(call.url), answer.headers, answer.body)
        return answer


async def _decoded(answer: Answer) -> tuple[Any, str | None]:
    if len(answer.body) > _INLINE_BYTES:
        return await asyncio.to_thread(answers.decode, answer)
    return answers.decode(answer)


def _entries(data: Any, items: str | None, address: URL) -> list[Any]:
    """Return a page's entries; an unexpected shape is an error, never an empty page."""
    entries = data.get(items) if items is not None and isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise faults.Unavailable(
            f"GitHub's answer to GET {address.path} has no list of {items or 'entries'}."
        )
    return entries


def _backoff(tries: int) -> float:
    """Return 0.5 to 1 times 1, 2, 4 seconds, so that callers that failed together do not return together."""
    return float(2 ** (tries - 1)) * (0.5 + secrets.randbelow(500) / 1000)
