"""Decide what leaves during set-up: GET and HEAD to the package registries, and nothing else."""

import asyncio
import contextlib
import os
import re
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from bot.workspace import index_pages
from bot.workspace.registries import Registries
from bot.workspace.upstream import Refused, Upstream

log = structlog.get_logger(__name__)

PYTHON_INDEX = f"{index_pages.ADDRESS}/pypi/simple/"
NPM_REGISTRY = f"{index_pages.ADDRESS}/npm/"
HOSTS = f"{index_pages.ADDRESS}/hosts/"

_METHODS = frozenset({"GET", "HEAD"})
_ASKED = ("Accept", "If-None-Match", "If-Modified-Since", "If-Range", "Range")
_TOLD = ("Content-Type", "ETag", "Last-Modified", "Cache-Control", "Accept-Ranges", "Content-Range")
_PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NPM_NAME = r"(?:@\w[\w.~-]*(?:/|%2f))?\w[\w.~-]*"
_NPM_PACKAGE = re.compile(rf"{_NPM_NAME}(?:/-/(?:@\w[\w.~-]*/)?\w[\w.~-]*\.tgz|/\w[\w.~-]*)?", re.IGNORECASE)
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Limits:
    """Bounds of one proxy: bytes of an index page, of a file and of everything; seconds of one request."""

    page_bytes: int = 64 << 20
    file_bytes: int = 2 << 30
    total_bytes: int = 8 << 30
    seconds: float = 300
    connect_seconds: float = 15
    silent_seconds: float = 60


@asynccontextmanager
async def serve(
    registries: Registries,
    socket_path: Path,
    extra_hosts: Sequence[str] = (),
    *,
    key: bytes | None = None,
    public_only: bool = False,
    limits: Limits | None = None,
) -> AsyncIterator["Egress"]:
    """Serve a proxy on a Unix socket until the block ends.

    `extra_hosts` are read over HTTPS under `/hosts/HOST/PATH` (or in absolute form over plain HTTP).
    `key` signs the links of rewritten index pages: the same key keeps a page cached by uv valid.
    `public_only` refuses names that resolve to private addresses; it is off because mirrors and
    intercepting networks are private.
    """
    connector = registries.connector(public_only=public_only)
    limits = limits or Limits()
    timeout = aiohttp.ClientTimeout(
        total=limits.seconds, sock_connect=limits.connect_seconds, sock_read=limits.silent_seconds
    )
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True) as session:
        upstream = Upstream(registries, session, extra_hosts)
        proxy = Egress(upstream, key or secrets.token_bytes(32), limits)
        application = web.Application(middlewares=[proxy.guard])
        application.router.add_route("*", "/{path:.*}", proxy.route)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.SockSite(runner, _listen(socket_path)).start()
            yield proxy
        finally:
            await runner.cleanup()
            await asyncio.to_thread(socket_path.unlink, missing_ok=True)


def _listen(path: Path) -> socket.socket:
    """Bind by the folder's descriptor: a socket's path may have 107 bytes only. The folder guards it."""
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        path.chmod(0o666)
    except OSError:
        listener.close()
        raise
    finally:
        os.close(folder)
    return listener


class Egress:
    """One running proxy; `unreachable`, `denied` and `refused` say what went wrong, for people."""

    def __init__(
        self,
        upstream: Upstream,
        key: bytes,
        limits: Limits,
    ) -> None:
        self.refused: list[str] = []
        self.bytes = 0
        self._upstream = upstream
        self._links = index_pages.Links(key, lambda url: upstream.owner(url) is not None)
        self._limits = limits

    @property
    def unreachable(self) -> dict[str, str]:
        """Return the registries that didn't answer, with the reason."""
        return self._upstream.unreachable

    @property
    def denied(self) -> dict[str, int]:
        """Return the registries that turned us down, with the status."""
        return self._upstream.denied

    async def localise(self, lock: bytes) -> bytes:
        """Return a uv.lock whose addresses lead here: files of hosts that the index itself uses, no others.

        uv takes each file from the address in the lock: without this it would be useless. The index page of
        its first package shows the hosts; a lock that can't be understood comes back as it was.
        """
        project = re.search(rb'^name = "([\w.-]+)"\n(?:version.*\n)?source = \{ registry', lock, re.MULTILINE)
        for index in self._upstream.registries.python if project else ():
            page = index.url / project[1].decode() / "" if project else index.url
            with contextlib.suppress(
                aiohttp.ClientError, TimeoutError, OSError, Refused
            ):  # noted as unreachable
                async with self._upstream.fetch("GET", page, {"Accept": index_pages.JSON}) as upstream:
                    if upstream.status == 200:
                        body = await upstream.read()
                        return await asyncio.to_thread(self._links.localise, lock, body, upstream.url)
        return lock

    @web.middleware
    async def guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer every request: 405 for other methods, 403 for other places, 502 without the registry."""
        if request.method not in _METHODS:
            self._note(f"{request.method} {request.raw_path}")
            return web.Response(
                status=405, headers={"Allow": "GET, HEAD"}, text="Only GET and HEAD leave here.\n"
            )
        try:
            return await handler(request)
        except (Refused, ValueError) as refusal:
            self._note(f"{request.raw_path}: {refusal}")
            return web.Response(status=403, text=f"{refusal}\n")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            where = str(getattr(error, "host", "")) or "the registry"
            log.warning("egress.unreachable", host=where, error=type(error).__name__)
            return web.Response(status=502, text=f"{where} can't be reached: {type(error).__name__}\n")

    def _note(self, what: str) -> None:
        log.info("egress.refused", request=what[:300])
        if len(self.refused) < 20:
            self.refused.append(what[:300])

    async def route(self, request: web.Request) -> web.StreamResponse:
        """Choose by the path; raises Refused for every place that is no registry."""
        path, _, query = request.raw_path.partition("?")
        if not path.startswith("/"):
            return await self._extra_host(request, URL(request.raw_path, encoded=True))
        room, _, rest = path[1:].partition("/")
        if room == "pypi":
            return await self._simple_page(request, rest)
        if room == "pypifiles":
            return await self._signed_file(request, rest, query)
        if room == "npm":
            return await self._npm(request, rest)
        if room == "hosts":
            host, _, tail = rest.partition("/")
            return await self._extra_host(
                request, URL(f"https://{host}/{tail}?{query}".removesuffix("?"), encoded=True)
            )
        if "/-/" in path:  # npm keeps the path of a lock file's addresses and changes only the host
            return await self._npm(request, path[1:])
        raise Refused("This path leads to no package registry.")

    async def _simple_page(self, request: web.Request, rest: str) -> web.StreamResponse:
        """Pass on a project's page from the first index that has one (PEP 503, PEP 691)."""
        room, _, project = rest.partition("/")
        if room != "simple" or not _PROJECT.fullmatch(project.rstrip("/")):
            raise Refused("Only pages of one project are read from an index.")
        for index in self._upstream.registries.python:
            async with self._fetch(request, index.url / project.rstrip("/") / "") as upstream:
                if upstream.status == 404:
                    continue
                return await self._page(request, upstream, index_pages.simple)
        return web.Response(status=404, text="No index has this project.\n")

    async def _npm(self, request: web.Request, rest: str) -> web.StreamResponse:
        npm = self._upstream.registries.npm
        if npm is None or not _NPM_PACKAGE.fullmatch(rest) or ".." in rest.split("/"):
            raise Refused("Only packages are read from npm's registry, and only where the host has npm.")
        async with self._fetch(request, URL(f"{npm.url}{rest}", encoded=True)) as upstream:
            if "/-/" in rest:
                return await self._stream(request, upstream)
            return await self._page(request, upstream, index_pages.npm)

    async def _signed_file(self, request: web.Request, rest: str, query: str) -> web.StreamResponse:
        url = self._links.address(f"{rest}?{query}" if query else rest)
        if url is None:
            raise Refused("No index page of this server lists this file.")
        self._upstream.file_hosts.add(url.authority)
        async with self._fetch(request, url) as upstream:
            return await self._stream(request, upstream)

    async def _extra_host(self, request: web.Request, url: URL) -> web.StreamResponse:
        if not self._upstream.is_extra(url):
            raise Refused(
                "This host is not a package registry, and the repository's configuration doesn't list it."
            )
        async with self._fetch(request, url) as upstream:
            return await self._stream(request, upstream)

    def _fetch(self, request: web.Request, url: URL) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        asked = {name: request.headers[name] for name in _ASKED if name in request.headers}
        return self._upstream.fetch(request.method, url, asked)

    async def _page(
        self,
        request: web.Request,
        upstream: aiohttp.ClientResponse,
        rewrite: Callable[[bytes, str, URL, index_pages.Links], bytes],
    ) -> web.StreamResponse:
        body = bytearray()
        async for chunk in upstream.content.iter_chunked(_CHUNK):
            body += chunk
            self._count(len(body), self._limits.page_bytes, len(chunk))
        headers = {name: upstream.headers[name] for name in _TOLD if name in upstream.headers}
        if upstream.status != 200 or request.method == "HEAD":
            return web.Response(status=upstream.status, headers=headers, body=bytes(body))
        try:
            page = await asyncio.to_thread(
                rewrite, bytes(body), upstream.content_type, upstream.url, self._links
            )
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            raise Refused("The registry's page can't be understood.") from error
        return web.Response(status=200, headers={**headers, "Vary": "Accept"}, body=page)

    async def _stream(self, request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {name: upstream.headers[name] for name in _TOLD if name in upstream.headers}
        response = web.StreamResponse(status=upstream.status, headers=headers)
        if "Content-Encoding" not in upstream.headers:
            response.content_length = upstream.content_length
        if (upstream.content_length or 0) > self._limits.file_bytes:
            raise Refused("This file is larger than the limit.")
        await response.prepare(request)
        sent = 0
        try:
            async for chunk in upstream.content.iter_chunked(_CHUNK):
                sent += len(chunk)
                self._count(sent, self._limits.file_bytes, len(chunk))
                await response.write(chunk)
            await response.write_eof()
        except (Refused, aiohttp.ClientError, TimeoutError) as error:
            # The answer has begun: only a broken connection tells the client that it isn't whole.
            self._note(f"{request.raw_path} broken off: {error or type(error).__name__}")
            if request.transport is not None:
                request.transport.abort()
        return response

    def _count(self, size: int, limit: int, more: int) -> None:
        self.bytes += more
        if size > limit or self.bytes > self._limits.total_bytes:
            raise Refused("This is larger than the limit for one download or for one set-up.")
