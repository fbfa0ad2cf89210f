"""A channel's events reach our door as GitHub signed them, however the channel behaves."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from bot import proxy, server
from bot.event_stream import EventStream, TooLong
from bot.proxy import NotADelivery, Proxy
from bot.settings import Settings
from storage.database import Database
from storage.models import Delivery
from tests.story import free_port

SECRET = "channel-secret"
DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
# As GitHub writes it: no blanks, UTF-8 as it is, only what JSON must escape escaped.
RAW = (
    '{"action":"ping","zen":"Ünïcode 🎉 \u2028?","n":1.5,"deep":{"a":[1,true,null],"q":"\\"\\\\/\\n"}}'
).encode()


def _signature(body: bytes) -> str:
    return "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def _message(**more: Any) -> dict[str, Any]:
    """Return an event of a channel as smee.io makes it of a delivery."""
    return {
        "host": "smee.io",
        "x-forwarded-for": "140.82.115.1",
        "user-agent": "GitHub-Hookshot/abc",
        "content-type": "application/json",
        "content-length": "99",
        "authorization": "Bearer somebody",
        "x-github-event": "ping",
        "x-github-delivery": DELIVERY,
        "x-github-hook-id": "7",
        "x-hub-signature": "sha1=x",
        "x-hub-signature-256": _signature(RAW),
        "body": json.loads(RAW),
        "query": {},
        "timestamp": 1795305600000,
    } | more


@dataclass
class Channel:
    """A smee channel: each connection plays the next entry of `plays`, the last one stays open."""

    url: str = ""
    plays: list[list[bytes]] = field(default_factory=list)
    connected: int = 0
    refusal: int = 0
    accepts: list[str] = field(default_factory=list)
    silent: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Play."""
        self.connected += 1
        self.accepts.append(request.headers["accept"])
        if self.refusal:
            return web.Response(status=self.refusal, text="no")
        stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b"id: 0\nevent: ready\ndata: {}\n\n")
        for chunk in self.plays.pop(0) if self.plays else []:
            await stream.write(chunk)
        if not self.plays:
            with contextlib.suppress(ConnectionResetError):
                await self.silent.wait()
        return stream


def _event(message: Any) -> bytes:
    text = (
        message
        if isinstance(message, str)
        else json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    )
    return f"id: 1\ndata: {text}\n\n".encode()


@pytest.fixture
async def channel() -> AsyncIterator[Channel]:
    """Serve a channel on loopback."""
    made = Channel()
    application = web.Application()
    application.router.add_get("/channel", made.serve)
    running = TestServer(application)
    await running.start_server()
    made.url = str(running.make_url("/channel"))
    yield made
    made.silent.set()
    await running.close()


@dataclass
class Door:
    """Takes what a proxy hands over; `answers` are used up first."""

    answers: list[int | Exception] = field(default_factory=list)
    taken: asyncio.Queue[tuple[bytes, Mapping[str, str]]] = field(default_factory=asyncio.Queue)

    async def __call__(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Take one."""
        answer = self.answers.pop(0) if self.answers else 202
        if isinstance(answer, Exception):
            raise answer
        if answer < 500:
            self.taken.put_nowait((body, headers))
        return answer


@contextlib.asynccontextmanager
async def _listening(url: str, door: Door | str) -> AsyncIterator[None]:
    async with aiohttp.ClientSession() as http:
        running = asyncio.create_task(Proxy(url, door, http, jitter=lambda: 0).run())
        try:
            async with asyncio.timeout(10):
                yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def test_an_event_arrives_as_it_was_signed(channel: Channel) -> None:
    """Body bytes and signature fit, GitHub's headers come along, and nobody else's do."""
    channel.plays = [[b"event: ping\ndata: {}\n\n", _event(_message())]]
    door = Door()
    async with _listening(channel.url, door):
        body, headers = await door.taken.get()
    assert body == RAW
    assert headers == {
        "user-agent": "GitHub-Hookshot/abc",
        "x-github-event": "ping",
        "x-github-delivery": DELIVERY,
        "x-github-hook-id": "7",
        "x-hub-signature-256": _signature(RAW),
        "content-type": "application/json",
    }
    assert channel.accepts == ["text/event-stream"]


@pytest.mark.parametrize("name", ["rawdata", "rawBody", "bodyB"])
def test_raw_bytes_are_believed(name: str) -> None:
    """Where a relay kept the bytes, blanks and all, they are what is handed on, with their content type."""
    raw = b'{ "a" : 1.0, "b": "\\u00e9" }'
    kept = base64.b64encode(raw).decode() if name == "bodyB" else raw.decode()
    body, headers = proxy.opened(json.dumps(_message(**{name: kept})))
    assert body == raw
    assert headers["content-type"] == "application/json"
    form = b"payload=%7B%7D"
    kept = base64.b64encode(form).decode() if name == "bodyB" else form.decode()
    more = {name: kept, "content-type": "application/x-www-form-urlencoded", "body": {"payload": "{}"}}
    body, headers = proxy.opened(json.dumps(_message(**more)))
    assert (body, headers["content-type"]) == (form, "application/x-www-form-urlencoded")


def test_json_is_written_as_javascript_writes_it() -> None:
    """What JSON.stringify of Node.js 20 printed for the same object comes out, to the byte."""
    text = (
        '{"z":1,"a":"\\u0000\\u001f\\u007f\\b\\t\\n\\f\\r\\"\\\\/<>&é\\u2028🎉\\ud83d",'
        '"n":[0.1,1e+21,9007199254740991,-5]}'
    )
    printed = (
        '{"z":1,"a":"\\u0000\\u001f\x7f\\b\\t\\n\\f\\r\\"\\\\/<>&é\u2028🎉\\ud83d",'
        '"n":[0.1,1e+21,9007199254740991,-5]}'
    )
    body, _ = proxy.opened(f'{{"x-github-event":"ping","body":{text}}}')
    assert body == printed.encode()


@pytest.mark.parametrize(
    "data",
    [
        "",
        "no JSON",
        "[" * 100_000,
        "[]",
        "{}",
        '{"x-github-event":"ping"}',
        '{"x-github-event":"ping","body":"text"}',
        '{"x-github-event":7,"body":{}}',
        '{"x-github-event":"a\\nb: c","body":{}}',
        '{"x-github-event":"ping","bodyB":"***"}',
    ],
)
def test_what_is_no_delivery_is_refused(data: str) -> None:
    """Whatever else a stranger posts to the channel is named and left."""
    with pytest.raises(NotADelivery):
        proxy.opened(data)


async def test_strangers_do_not_stop_it(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """After rubbish, and after a connection that broke off in the middle, the next event still arrives."""
    monkeypatch.setattr(proxy, "FIRST_PAUSE_SECONDS", 0.05)
    half = _event(_message())[:-40]
    channel.plays = [[_event("rubbish"), _event({}), half], [_event(_message())]]
    door = Door()
    with structlog.testing.capture_logs() as logged:
        async with _listening(channel.url, door):
            body, _ = await door.taken.get()
    assert body == RAW
    assert channel.connected == 2
    assert [line["event"] for line in logged].count("proxy.ignored") == 2
    assert "/channel" not in str(logged)


async def test_a_busy_door_is_tried_again(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel keeps nothing, so a 503 or a door that is not open yet is tried a few times; a 401 is not."""
    monkeypatch.setattr(proxy, "FIRST_PAUSE_SECONDS", 0.01)
    channel.plays = [[_event(_message()), _event(_message()), _event(_message())]]
    door = Door([503, ConnectionRefusedError("not yet"), 202, 401])
    with structlog.testing.capture_logs() as logged:
        async with _listening(channel.url, door):
            for _ in range(3):
                await door.taken.get()
    assert [line["event"] for line in logged].count("proxy.refused") == 1


async def test_a_wrong_address_is_said(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel that refuses, or is no channel, is named in the log and tried again, ever more slowly."""
    monkeypatch.setattr(proxy, "FIRST_PAUSE_SECONDS", 0.1)
    channel.refusal = 403
    with structlog.testing.capture_logs() as logged:
        async with _listening(channel.url, Door()):
            while len(logged) < 3:  # noqa: ASYNC110  # the log calls nobody
                await asyncio.sleep(0.01)
    assert "the channel answers 403" in logged[0]["why"]
    pauses = [line["again_in_seconds"] for line in logged]
    assert pauses[0] < pauses[1] < pauses[2]


async def test_serve_takes_a_channels_events(
    channel: Channel, sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a channel in the settings a signed event ends in the table; HTTP_PROXY plays no part at home."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "localhost")
    channel.plays = [[_event(_message() | {"x-github-event": "issues"})]]
    settings = Settings(
        webhook_secrets=(SECRET,), port=free_port(), data_dir=tmp_path,
        webhook_proxy_url=channel.url.replace("127.0.0.1", "localhost"),
    )  # fmt: skip
    stored = asyncio.Event()
    async with server.serving(settings, sqlite, stored.set) as port, proxy.forwarding(settings, port):
        async with asyncio.timeout(10):
            found = None
            while found is None:
                async with sqlite.reading() as session:
                    found = await session.get(Delivery, DELIVERY)
                await asyncio.sleep(0.01)
    assert found.payload == RAW


async def test_without_a_channel_nothing_is_asked(tmp_path: Path) -> None:
    """`serve` without WEBHOOK_PROXY_URL connects nowhere."""
    before = asyncio.all_tasks()
    async with proxy.forwarding(Settings(data_dir=tmp_path), 1):
        assert asyncio.all_tasks() == before


STREAM = (
    "\ufeff: hello\r\nid: 3\rdata: one\ndata:two\n\nevent: ready\ndata: {}\n\ndata\n\nfoo: x\n\nevent: x\n\n"
)


@given(st.lists(st.integers(1, 40), max_size=40))
def test_events_do_not_depend_on_the_cuts(sizes: list[int]) -> None:
    """However the bytes are cut into chunks, the same events come out."""
    raw, stream, found = STREAM.encode(), EventStream(1000), []
    for size in [*sizes, len(raw)]:
        found += list(stream.feed(raw[:size]))
        raw = raw[size:]
    assert found == [("message", "one\ntwo"), ("ready", "{}"), ("message", "")]


@pytest.mark.parametrize("text", ["data: " + "x" * 100, "data: x\n" * 100])
def test_an_endless_event_is_cut_off(text: str) -> None:
    """A line, or an event of many lines, may not fill the memory."""
    stream = EventStream(99)
    with pytest.raises(TooLong):
        list(stream.feed(text.encode()))
