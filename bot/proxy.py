"""Bring webhooks from a smee.io channel to our own door, for a machine that GitHub cannot reach.

A channel has no secret: whoever knows its address reads every payload. It is for development only; what it
brings still has to carry our webhook signature.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import structlog
from yarl import URL

from bot.event_stream import EventStream, TooLong
from bot.settings import Settings

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# smee sends a ping every 30 s.
SILENCE_SECONDS = 95.0
DELIVERY_SECONDS = 15.0
DELIVERY_TRIES = 4  # nobody sends a lost event of a channel again
# A payload of 25 MB, once as JSON within JSON and once more as it was.
MOST_BYTES = 80 * 1024 * 1024
# Where relays put the bytes as GitHub sent them: smee.io of 2024, others of its kind, gosmee (in base64).
RAW_NAMES = ("rawdata", "rawBody", "rawbody", "bodyRaw")
RAW_BASE64_NAME = "bodyB"

# Hands a body and its headers to our door, and returns the status of the answer.
Deliver = Callable[[bytes, Mapping[str, str]], Awaitable[int]]


class NotADelivery(Exception):
    """The channel brought something that is no webhook; the text says what is wrong with it."""


class Proxy:
    """One channel, listened to for as long as we serve."""

    def __init__(
        self,
        url: str,
        deliver: Deliver | str,
        http: aiohttp.ClientSession,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Take the channel, and where its events go: an address on loopback, or whoever takes them."""
        self._url = URL(url)
        self._deliver = deliver if not isinstance(deliver, str) else self._posting(deliver)
        self._http = http
        self._jitter = jitter
        self._pause = FIRST_PAUSE_SECONDS

    async def run(self) -> None:
        """Listen until cancelled, connecting again whenever the channel breaks off."""
        while True:
            try:
                why = await self.once()
            except (aiohttp.ClientError, TimeoutError, OSError, TooLong) as fault:
                why = _words(fault)
            except Exception:
                log.exception("proxy.failed")
                why = "see above"
            # The address is a capability: its host is all that a log may say.
            pause = self._pause * (1 - self._jitter() / 4)
            log.warning("proxy.disconnected", host=self._url.host, why=why, again_in_seconds=round(pause, 1))
            await asyncio.sleep(pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    async def once(self) -> str:
        """Listen to one connection until it ends; returns why it did."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=SILENCE_SECONDS)
        # smee compares this header as a whole.
        headers = {"accept": "text/event-stream", "cache-control": "no-cache"}
        async with self._http.get(self._url, headers=headers, timeout=timeout) as answer:
            if answer.status != 200 or answer.content_type != "text/event-stream":
                return (
                    f"the channel answers {answer.status} {answer.content_type}: is WEBHOOK_PROXY_URL right?"
                )
            stream = EventStream(MOST_BYTES)
            async for chunk in answer.content.iter_any():
                for name, data in stream.feed(chunk):
                    await self._take(name, data)
        return "the channel ended"

    async def _take(self, name: str, data: str) -> None:
        self._pause = FIRST_PAUSE_SECONDS  # it works: begin anew
        if name == "ready":
            log.info("proxy.connected", host=self._url.host)
        if name != "message":
            return
        try:
            body, headers = opened(data)
        except NotADelivery as problem:
            log.warning("proxy.ignored", why=str(problem))
            return
        await self._hand_over(body, headers)

    async def _hand_over(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Try a few times: our own door may be busy, and the channel keeps nothing."""
        status, delivery = 0, headers.get("x-github-delivery")
        for number in range(DELIVERY_TRIES):
            if number:
                await asyncio.sleep(FIRST_PAUSE_SECONDS * 2 ** (number - 1))
            try:
                status = await self._deliver(body, headers)
            except (aiohttp.ClientError, TimeoutError, OSError) as fault:
                log.warning("proxy.undelivered", delivery=delivery, why=type(fault).__name__)
                continue
            if status < 500:
                break
        if status == 401:
            log.error(
                "proxy.refused", delivery=delivery, why="the signature does not fit",
                fix="check WEBHOOK_SECRET; a channel that re-writes payloads beyond repair cannot be used",
            )  # fmt: skip
        else:
            log.info(
                "proxy.delivered",
                delivery=delivery,
                github_event=headers.get("x-github-event"),
                status=status,
            )

    def _posting(self, address: str) -> Deliver:
        async def post(body: bytes, headers: Mapping[str, str]) -> int:
            timeout = aiohttp.ClientTimeout(total=DELIVERY_SECONDS)
            async with self._http.post(
                address, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                return answer.status

        return post


def _words(fault: Exception) -> str:
    """Say what broke; a response's error would spell out the channel's address."""
    return (
        str(fault)
        if str(fault) and not isinstance(fault, aiohttp.ClientResponseError)
        else type(fault).__name__
    )


def opened(data: str) -> tuple[bytes, dict[str, str]]:
    """Return the body as GitHub signed it, and GitHub's own headers; raises NotADelivery.

    A relay that keeps the raw bytes is believed; else the JSON is written as JavaScript's JSON.stringify
    does, which is what smee's own client sends and, for GitHub's payloads, what GitHub had written.
    """
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise NotADelivery("it is not JSON") from None
    if not isinstance(message, dict):
        raise NotADelivery("it is not a JSON object")
    told = {name.lower(): value for name, value in message.items() if isinstance(value, str)}
    headers = {
        name: value
        for name, value in told.items()
        if (name.startswith("x-github-") or name in {"x-hub-signature-256", "user-agent"})
        and value.isprintable()
    }
    if "x-github-event" not in headers:
        raise NotADelivery("it has no x-github-event")
    raw = _raw(message)
    headers["content-type"] = (
        "application/json" if raw is None else told.get("content-type", "application/json")
    )
    return (_stringified(message.get("body")) if raw is None else raw), headers


def _raw(message: dict[str, Any]) -> bytes | None:
    encoded = message.get(RAW_BASE64_NAME)
    if isinstance(encoded, str) and encoded:
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise NotADelivery(f"its {RAW_BASE64_NAME} is not base64") from None
    texts = (message.get(name) for name in RAW_NAMES)
    found = next((text for text in texts if isinstance(text, str) and text), None)
    return None if found is None else found.encode("utf-8", "surrogatepass")


def _stringified(body: Any) -> bytes:
    """Return JSON as JSON.stringify writes it: no blanks, only what must be escaped, lone surrogates so."""
    if not isinstance(body, dict):
        raise NotADelivery("it has no body")
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


@asynccontextmanager
async def forwarding(settings: Settings, port: int) -> AsyncIterator[None]:
    """Listen to the channel of the settings, if there is one, while the block runs."""
    if settings.webhook_proxy_url is None:
        yield
        return
    host = settings.host if settings.host not in {"", "0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104
    door = URL.build(scheme="http", host=host, port=port, path=settings.webhook_path)
    # Two sessions: the way to ourselves never leads through an HTTP proxy of the environment.
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as inside,
        aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar()) as outside,
    ):

        async def deliver(body: bytes, headers: Mapping[str, str]) -> int:
            timeout = aiohttp.ClientTimeout(total=DELIVERY_SECONDS)
            async with inside.post(door, data=body, headers=headers, timeout=timeout) as answer:
                return answer.status

        listening = asyncio.create_task(Proxy(settings.webhook_proxy_url, deliver, outside).run())
        try:
            yield
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
