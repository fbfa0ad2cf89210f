"""Outbound notifications are signed, in order, tried for days, and in nobody's way."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from bot.engine import notifications
from bot.engine.notifications import SCHEDULE, Notifications
from storage import clock, events, sessions, tasks
from storage.database import Database
from storage.models import Event
from storage.words import EventKind, PausedBy, Reason, TaskState
from tests.records import a_session, a_task

KEY = secrets.token_bytes(32)
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass
class Receiver:
    """An address that hears notifications; `answers` are used up first, then everything is taken."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    hold: asyncio.Event | None = None
    full: asyncio.Event = field(default_factory=asyncio.Event)  # ten at once
    came: asyncio.Event = field(default_factory=asyncio.Event)  # one at all
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # one, which may be held

    async def hear(self, request: web.Request) -> web.Response:
        """Take one."""
        self.at_once += 1
        self.begun.set()
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.at_once >= 10:
            self.full.set()
        try:
            if self.hold is not None:
                await self.hold.wait()
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.heard.append((headers, await request.read()))
            self.came.set()
            status, extra = self.answers.pop(0) if self.answers else (204, {})
            return web.Response(status=status, headers=extra)
        finally:
            self.at_once -= 1

    @property
    def told(self) -> list[dict[str, Any]]:
        """Return the bodies heard so far."""
        return [json.loads(body) for _, body in self.heard]

    @property
    def types(self) -> list[str]:
        """Return what happened, in the order heard."""
        return [body["type"] for body in self.told]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Serve a receiver on loopback."""
    made = Receiver()
    application = web.Application()
    application.router.add_post("/hear", made.hear)
    server = TestServer(application)
    await server.start_server()
    made.url = str(server.make_url("/hear"))
    yield made
    await server.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return an HTTP session."""
    async with aiohttp.ClientSession() as session:
        yield session


@dataclass
class Moment:
    """A clock that a test moves."""

    value: datetime = field(default_factory=clock.now)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.value

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.value += timedelta(seconds=seconds)


async def _events(database: Database) -> list[Event]:
    async with database.reading() as session:
        found = [await session.get(Event, number) for number in range(1, 100)]
        return [one for one in found if one is not None]


async def test_a_task_is_told_signed_and_without_its_text(
    database: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """Every state of a task arrives once, verifies with the reference library, and holds facts only."""
    owner = await a_session(database, 7)
    task = await a_task(database, owner, TaskState.RUNNING)
    async with database.transaction() as session:
        await sessions.change(session, owner.id, pull_request=8)
        await tasks.move(session, task.id, TaskState.PAUSED, paused_by=PausedBy.SIMULATED_HUMAN)
        await events.note(session, task.id, "a note is nobody's business")
        await tasks.finish(session, task.id, TaskState.FAILED, Reason.UNPROVEN, error_message="secret words")
    one = Notifications(database, receiver.url, SECRET, http, "https://bot.acme.test")
    assert await one.once() == 4
    assert await one.once() == 0

    assert receiver.types == ["task.pending", "task.running", "task.paused", "task.failed"]
    for headers, body in receiver.heard:
        assert Webhook(SECRET).verify(body, headers)
        assert headers["content-type"] == "application/json"
        assert b"Fix it" not in body
        assert b"secret words" not in body
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 4
    last = receiver.told[-1]
    assert last["data"] == {
        "task_id": task.id,
        "session_id": owner.id,
        "kind": "implement",
        "status": "FAILED",
        "reason": "unproven",
        "paused_by": None,
        "repository": "acme/shop",
        "issue_number": 7,
        "pull_request": 8,
        "url": f"https://bot.acme.test/api/v1/tasks/{task.id}",
    }
    assert receiver.told[2]["data"]["paused_by"] == "simulated_human"
    moment = datetime.fromisoformat(last["timestamp"])
    assert last["timestamp"].endswith("Z")
    assert abs((clock.now() - moment).total_seconds()) < 60


async def test_order_holds_within_a_task_and_not_between(
    database: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """What failed holds back what came later of the same task, and nothing of another."""
    moment = Moment()
    first = await a_task(database, await a_session(database, 1), TaskState.RUNNING)
    second = await a_task(database, await a_session(database, 2))
    receiver.answers = [(500, {})]
    one = Notifications(database, receiver.url, SECRET, http, now=moment)
    await one.once()
    heard = [(body["data"]["task_id"], body["type"]) for body in receiver.told]
    tried = first.id if heard[0][0] == first.id else second.id
    others = [kind for task, kind in heard[1:] if task == tried]
    assert others == []
    moment.pass_(6)
    await one.once()
    heard = [(body["data"]["task_id"], body["type"]) for body in receiver.told]
    of_first = [kind for task, kind in heard if task == first.id]
    assert of_first[-2:] == ["task.pending", "task.running"]
    assert (second.id, "task.pending") in heard


async def test_a_held_attempt_holds_back_its_own_task_only(
    database: Database, receiver: Receiver, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a receiver lets one attempt hang, what another task does later is told, nothing of its own."""
    monkeypatch.setattr(notifications, "LOOK_SECONDS", 0.01)
    held = await a_task(database, await a_session(database, 1), TaskState.RUNNING)
    hold = receiver.hold = asyncio.Event()
    telling = asyncio.create_task(Notifications(database, receiver.url, SECRET, http).once())
    async with asyncio.timeout(10):
        await receiver.begun.wait()
        receiver.hold = None
        other = await a_task(database, await a_session(database, 2), TaskState.RUNNING)
        while len(receiver.heard) < 2:
            receiver.came.clear()
            await receiver.came.wait()
        assert {body["data"]["task_id"] for body in receiver.told} == {other.id}
        hold.set()
        assert await telling == 4
    assert [body["data"]["task_id"] for body in receiver.told[2:]] == [held.id] * 2


async def test_failures_are_tried_again_for_days_and_then_given_up(
    database: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """Each attempt waits as the schedule says, has the same id, and after the last one the log says so."""
    assert SCHEDULE[:4] == (5, 30, 300, 1800)
    moment = Moment()
    await a_task(database)
    receiver.answers = [(503, {})] * (len(SCHEDULE) + 1)
    one = Notifications(database, receiver.url, SECRET, http, now=moment, jitter=lambda: 0.5)
    with structlog.testing.capture_logs() as logged:
        for number, pause in enumerate(SCHEDULE):
            assert await one.once() == 1
            (event,) = await _events(database)
            assert (event.notify_attempts, event.notified_at) == (number + 1, None)
            assert event.notify_after is not None
            assert (event.notify_after - moment()).total_seconds() == pytest.approx(pause * 1.05)
            moment.pass_(pause * 1.05 - 1)
            assert await one.once() == 0
            moment.pass_(2)
        assert await one.once() == 1
    assert [line["event"] for line in logged].count("notification.given_up") == 1
    moment.pass_(10**6)
    assert await one.once() == 0
    assert {headers["webhook-id"] for headers, _ in receiver.heard} == {"evt_1"}
    stamps = [int(headers["webhook-timestamp"]) for headers, _ in receiver.heard]
    assert stamps == sorted(set(stamps))  # each attempt is signed anew


@pytest.mark.parametrize("form", ["seconds", "date", "nonsense", "for ever"])
async def test_retry_after_is_honoured(
    form: str, sqlite: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """A receiver may ask for a longer pause than the schedule's, of at most a day."""
    moment = Moment(datetime(2026, 11, 22, 12, tzinfo=UTC))
    asked = {
        "seconds": ("120", 120),
        "date": ("Sun, 22 Nov 2026 12:03:00 GMT", 180),
        "nonsense": ("soon", 5),
        "for ever": ("99999999", 86_400),
    }
    text, expected = asked[form]
    await a_task(sqlite)
    receiver.answers = [(429, {"Retry-After": text})]
    async with sqlite.transaction() as session:
        (await session.get_one(Event, 1)).created_at = moment()
    await Notifications(sqlite, receiver.url, SECRET, http, now=moment, jitter=lambda: 0).once()
    (event,) = await _events(sqlite)
    assert event.notify_after is not None
    assert (event.notify_after - moment()).total_seconds() == expected


async def test_gone_ends_it(
    sqlite: Database, receiver: Receiver, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """410 Gone is the last that this process says to that address, and a log line tells of it."""
    monkeypatch.setattr(notifications, "LOOK_SECONDS", 0.01)
    await a_task(sqlite, status=TaskState.RUNNING)
    receiver.answers = [(410, {})]
    one = Notifications(sqlite, receiver.url, SECRET, http)
    with structlog.testing.capture_logs() as logged:
        await asyncio.wait_for(one.run(), 10)
    assert receiver.types == ["task.pending"]
    assert "notifications.gone" in [line["event"] for line in logged]
    assert await one.once() == 0


async def test_history_is_dropped(
    database: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """What is older than three days when first seen is told nobody; what was tried before goes on."""
    moment = Moment()
    await a_task(database, await a_session(database, 1))
    await a_task(database, await a_session(database, 2))
    await a_task(database, await a_session(database, 3))
    async with database.transaction() as session:
        for number in (1, 2):
            (await session.get_one(Event, number)).created_at = moment() - timedelta(days=3, minutes=1)
        await events.postpone(session, 2, moment())
    assert await Notifications(database, receiver.url, SECRET, http, now=moment).once() == 2
    assert {headers["webhook-id"] for headers, _ in receiver.heard} == {"evt_2", "evt_3"}


async def test_two_workers_tell_each_event_once(
    database: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """Workers that look at the same moment share the attempts, at most ten at once for each."""
    for number in range(25):
        await a_task(database, await a_session(database, number + 1))
    receiver.hold = asyncio.Event()
    workers = [Notifications(database, receiver.url, SECRET, http) for _ in range(2)]
    running = [asyncio.create_task(each.once()) for each in workers]
    async with asyncio.timeout(20):
        await receiver.full.wait()
        receiver.hold.set()
        made = [await each for each in running]
    assert sum(made) == len(receiver.heard) == 25
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 25
    assert 10 <= receiver.most_at_once <= 20


async def test_an_attempt_whose_worker_died_is_made_again(
    database: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """A claim holds for a minute: then another worker makes the attempt under the same id."""
    moment = Moment()
    await a_task(database)
    one = Notifications(database, receiver.url, SECRET, http, now=moment)
    async with database.transaction() as session:
        assert await events.claim(session, 1, moment(), moment() + notifications.LEASE)
    assert await one.once() == 0
    moment.pass_(61)
    assert await one.once() == 1
    assert receiver.heard[0][0]["webhook-id"] == "evt_1"


async def test_no_redirect_and_no_password_in_the_log(
    sqlite: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """A redirect is a failure like another, a dead address too, and neither log line shows the password."""
    moment = Moment()
    await a_task(sqlite)
    receiver.answers = [(307, {"Location": receiver.url})]
    secret_url = receiver.url.replace("http://", "http://user:pa55word@")
    with structlog.testing.capture_logs() as logged:
        assert await Notifications(sqlite, secret_url, SECRET, http, now=moment).once() == 1
        moment.pass_(10)
        dead = Notifications(sqlite, "http://user:pa55word@127.0.0.1:9/x", SECRET, http, now=moment)
        assert await dead.once() == 1
    assert len(receiver.heard) == 1
    assert receiver.heard[0][0]["authorization"].startswith("Basic ")
    assert [line["event"] for line in logged].count("notification.failed") == 2
    assert "pa55word" not in str(logged)


async def test_the_loop_outlives_a_failing_database(
    sqlite: Database, receiver: Receiver, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look that fails is logged; the next one tells what is due."""
    await a_task(sqlite)
    monkeypatch.setattr(notifications, "LOOK_SECONDS", 0.01)
    real: Callable[..., Any] = events.due
    failures = [OSError("disk")]

    async def due(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return await real(*arguments)

    monkeypatch.setattr(events, "due", due)
    running = asyncio.create_task(Notifications(sqlite, receiver.url, SECRET, http).run())
    async with asyncio.timeout(10):
        await receiver.came.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert receiver.types == ["task.pending"]


@pytest.mark.parametrize(
    "secret",
    [SECRET, SECRET.removeprefix("whsec_"), SECRET.rstrip("=")],
    ids=["as given", "no prefix", "no padding"],
)
async def test_the_secret_has_two_forms(
    secret: str, sqlite: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """With or without prefix and padding it is the same key."""
    await a_task(sqlite)
    await Notifications(sqlite, receiver.url, secret, http).once()
    headers, body = receiver.heard[0]
    assert Webhook(KEY).verify(body, headers)


async def test_a_plain_secret_signs_as_it_is_written(
    sqlite: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """A secret that is no base64 is the key itself."""
    await a_task(sqlite)
    await Notifications(sqlite, receiver.url, "correct horse battery", http).once()
    headers, body = receiver.heard[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    made = hmac.new(b"correct horse battery", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(made).decode()}"


@pytest.mark.parametrize("secret", ["", "whsec_", "horse", "whsec_" + base64.b64encode(b"x" * 23).decode()])
async def test_a_secret_that_is_no_key_is_refused(
    secret: str, sqlite: Database, http: aiohttp.ClientSession
) -> None:
    """What is too short, or not what its prefix says, is refused at once, and not repeated."""
    with pytest.raises(ValueError, match="must be 24 to 64 random bytes") as refused:
        Notifications(sqlite, "http://127.0.0.1:9", secret, http)
    assert not secret or secret not in str(refused.value)


async def test_only_states_are_told(
    sqlite: Database, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    """The conversation's own events stay at home."""
    task = await a_task(sqlite)
    async with sqlite.transaction() as session:
        await events.add(
            session, task.id, EventKind.INTERACTION, {"interaction": 1, "seq": 1, "type": "HUMAN"}
        )
    assert await Notifications(sqlite, receiver.url, SECRET, http).once() == 1
