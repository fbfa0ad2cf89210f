"""The receiver stores what GitHub signed, once, and nothing else; it answers every fault with its status."""

import asyncio
import gzip
import hashlib
import hmac
import json
import string
import uuid
from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from aiohttp import web
from sqlalchemy import text
from structlog.testing import capture_logs

from bot.web import receive, writer
from bot.web.writer import DeliveryWriter
from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState
from tests.webhook_post import PATH, SECRET, Hook, labeled, receiving, sign

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def said() -> Iterator[list[MutableMapping[str, Any]]]:
    """Keep what is logged: laying a traceback out for a terminal would hold up the event loop for seconds."""
    with capture_logs() as logs:
        yield logs


@pytest.fixture
async def hook(database: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver over a real database, of each kind."""
    async with receiving(database, tmp_path) as served:
        yield served


async def test_a_signed_delivery_is_stored_before_it_is_answered(hook: Hook) -> None:
    """202 means a row with the bytes as sent, the Request that its handler made, and a rung bell."""
    assert await hook.post(labeled(), id_="one") == 202
    (row,) = await hook.rows(Delivery)
    (request,) = await hook.rows(Request)
    assert (row.id, row.event, row.action, row.state) == ("one", "issues", "labeled", DeliveryState.HANDLED)
    assert json.loads(row.payload) == labeled()
    assert (request.delivery_id, request.repository_id, request.issue_number) == ("one", 7, 42)
    assert hook.rung


async def test_a_redelivery_is_answered_200_and_does_nothing(hook: Hook) -> None:
    """The same id again is 200: one row, one Request, however often."""
    assert [await hook.post(labeled(), id_="one") for _ in range(3)] == [202, 200, 200]
    assert (len(await hook.rows(Delivery)), len(await hook.rows(Request))) == (1, 1)


async def test_eight_at_once_are_one_delivery(hook: Hook) -> None:
    """Of eight concurrent posts of one id exactly one is 202, the others 200, and one row stays."""
    statuses = await asyncio.gather(*(hook.post(labeled(), id_="one") for _ in range(8)))
    assert sorted(statuses) == [200] * 7 + [202]
    assert (len(await hook.rows(Delivery)), len(await hook.rows(Request))) == (1, 1)


async def test_two_receivers_share_one_memory(hook: Hook, tmp_path: Path) -> None:
    """A delivery and its redelivery that reach two servers at once are one delivery."""
    async with receiving(hook.database, tmp_path) as other:
        statuses = await asyncio.gather(*(one.post(labeled(), id_="one") for one in [hook, other] * 4))
    assert sorted(statuses) == [200] * 7 + [202]
    assert len(await hook.rows(Request)) == 1


async def test_a_ping_is_answered_200(hook: Hook) -> None:
    """GitHub's first ping is stored and answered 200."""
    assert await hook.post({"zen": "Keep it logically awesome.", "hook_id": 1}, event="ping") == 200
    assert [row.event for row in await hook.rows(Delivery)] == ["ping"]


async def test_an_unknown_event_is_stored_and_ignored(hook: Hook) -> None:
    """What no handler takes is 202 and IGNORED, an unknown action of a known event as well."""
    assert await hook.post({"action": "sparkled"}, event="unicorn") == 202
    assert await hook.post(labeled(action="sparkled")) == 202
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.IGNORED}
    assert await hook.rows(Request) == []


BODY = json.dumps(labeled()).encode()
RIGHT = sign(BODY)
SHA1 = "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()
WRONG_SIGNATURES = {
    "missing": None,
    "empty": "",
    "wrong": "sha256=" + "0" * 64,
    "of another body": sign(BODY + b" "),
    "of another secret": sign(BODY, "guess"),
    "of the empty secret": sign(BODY, ""),
    "upper-case": "sha256=" + RIGHT.removeprefix("sha256=").upper(),
    "without its prefix": RIGHT.removeprefix("sha256="),
    "cut": RIGHT[:-1],
    "followed by more": RIGHT + "0",
    "twice": f"{RIGHT}, {RIGHT}",
    "SHA-1": SHA1,
    "not ASCII": "sha256=" + "ü" * 64,
}


@pytest.mark.parametrize("signature", WRONG_SIGNATURES.values(), ids=WRONG_SIGNATURES)
async def test_a_wrong_signature_is_401_and_leaves_no_row(
    signature: str | None, sqlite: Database, tmp_path: Path
) -> None:
    """Whatever is not the SHA-256 signature of the body by our secret is 401, a good SHA-1 one or not."""
    async with receiving(sqlite, tmp_path) as hook:
        assert await hook.post(BODY, **{"X-Hub-Signature-256": signature, "X-Hub-Signature": SHA1}) == 401
        assert await hook.rows(Delivery) == []


async def test_a_signature_of_broken_bytes_is_401(sqlite: Database, tmp_path: Path) -> None:
    """Bytes in the header that aren't even UTF-8 are a wrong signature, not an error of ours."""
    async with receiving(sqlite, tmp_path) as hook:
        head = f"X-GitHub-Event: issues\r\nX-GitHub-Delivery: a\r\nContent-Length: {len(BODY)}\r\n".encode()
        assert await _raw(hook, head + b"X-Hub-Signature-256: sha256=\xff\xfe\r\n", BODY) == 401


async def test_the_signature_is_checked_before_anything_else(sqlite: Database, tmp_path: Path) -> None:
    """A stranger learns nothing from what else is wrong with a request: it is 401."""
    wrong = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    async with receiving(sqlite, tmp_path) as hook:
        assert await hook.post(b"", **wrong) == 401
        assert await hook.post(b"{", **wrong, **{"X-GitHub-Event": None}) == 401


async def test_both_secrets_hold_while_rotating(sqlite: Database, tmp_path: Path) -> None:
    """With two secrets set, what either signed is taken, and what neither signed is not."""
    async with receiving(sqlite, tmp_path, webhook_secrets=("old", "new")) as hook:
        signed = [{"X-Hub-Signature-256": sign(BODY, each)} for each in ("old", "new", SECRET)]
        found = [await hook.post(BODY, **headers) for headers in signed]
    assert found == [202, 202, 401]


def test_an_empty_secret_cannot_serve() -> None:
    """A receiver without a secret, or with an empty one, is not built at all."""
    for secrets in ((), ("",), ("good", "")):
        with pytest.raises(ValueError, match="empty webhook secret"):
            receive.Receiver(None, secrets)  # type: ignore[arg-type]


DEEP = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
NOT_DELIVERIES: dict[str, tuple[bytes, dict[str, str | None]]] = {
    "no event": (BODY, {"X-GitHub-Event": None}),
    "a malformed event": (BODY, {"X-GitHub-Event": "issues labeled"}),
    "no delivery id": (BODY, {"X-GitHub-Delivery": None}),
    "an empty delivery id": (BODY, {"X-GitHub-Delivery": ""}),
    "a delivery id with a space": (BODY, {"X-GitHub-Delivery": "a b"}),
    "a delivery id that isn't ASCII": (BODY, {"X-GitHub-Delivery": "ü"}),
    "an endless delivery id": (BODY, {"X-GitHub-Delivery": "a" * 201}),
    "an empty body": (b"", {}),
    "half a document": (BODY[:-1], {}),
    "two documents": (BODY + BODY, {}),
    "an array": (b"[" + BODY + b"]", {}),
    "a string": (b'"{}"', {}),
    "null": (b"null", {}),
    "deep nesting": (DEEP, {}),
    "a deep array": (b"[" * 100_000, {}),
    "an endless number": (b'{"a": ' + b"9" * 5000 + b"}", {}),
    "NaN": (b'{"a": NaN}', {}),
    "Infinity": (b'{"a": -Infinity}', {}),
    "bytes that aren't UTF-8": (b'{"a": "\xff"}', {}),
    "UTF-16": (json.dumps({}).encode("utf-16"), {}),
    "an action that isn't text": (b'{"action": ["labeled"]}', {}),
    "no content type": (BODY, {"Content-Type": None}),
    "another content type": (BODY, {"Content-Type": "text/plain"}),
    "a malformed content type": (BODY, {"Content-Type": ";;="}),
    "a content type that isn't ASCII": (BODY, {"Content-Type": "application/json; charset=ü"}),
    "another charset": (BODY, {"Content-Type": "application/json; charset=utf-16"}),
    "a bogus charset": (BODY, {"Content-Type": "application/json; charset=bogus"}),
    "an encoded charset": (BODY, {"Content-Type": "application/json; charset*=utf-8''utf-8"}),
    "a form without payload": (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}),
    "no form": (BODY, {"Content-Type": "application/x-www-form-urlencoded"}),
    "a form of bad JSON": (b"payload=%7B", {"Content-Type": "application/x-www-form-urlencoded"}),
    "a compressed body": (gzip.compress(BODY), {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize(("body", "headers"), NOT_DELIVERIES.values(), ids=NOT_DELIVERIES)
async def test_what_is_no_delivery_is_400(
    body: bytes, headers: dict[str, str | None], sqlite: Database, tmp_path: Path
) -> None:
    """What is signed and yet no delivery is 400, never 5xx, leaves no row, and the next one is served."""
    async with receiving(sqlite, tmp_path) as hook:
        assert await hook.post(body, **headers) == 400
        assert await hook.rows(Delivery) == []
        assert await hook.post({}, event="ping", id_=str(uuid.uuid4())) == 200


async def test_a_form_is_taken_and_its_document_kept(hook: Hook) -> None:
    """The hook's other content type is signed over the form, and stored as the JSON in it."""
    form = urlencode({"payload": json.dumps(labeled(note="ü&="))}).encode()
    assert await hook.post(form, **{"Content-Type": "application/x-www-form-urlencoded"}) == 202
    (row,) = await hook.rows(Delivery)
    assert json.loads(row.payload) == labeled(note="ü&=")
    assert len(await hook.rows(Request)) == 1


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=utf8"]
)
async def test_json_may_name_its_charset(content_type: str, sqlite: Database, tmp_path: Path) -> None:
    """UTF-8 by any of its names, in any case, is accepted."""
    async with receiving(sqlite, tmp_path) as hook:
        assert await hook.post(BODY, **{"Content-Type": content_type}) == 202


@pytest.mark.parametrize(
    ("size", "status"), [(24 * MIB, 202), (25 * MIB, 202), (25 * MIB + 1, 413), (40 * MIB, 413)]
)
async def test_25_mib_are_the_limit(size: int, status: int, sqlite: Database, tmp_path: Path) -> None:
    """A payload of up to 25 MiB is stored whole, one byte more is 413."""
    body = b'{"a": "' + b"x" * (size - 9) + b'"}'
    async with receiving(sqlite, tmp_path) as hook:
        assert await hook.post(body, event="push") == status
        assert [len(row.payload) for row in await hook.rows(Delivery)] == ([size] if status == 202 else [])


async def test_a_body_without_a_length_is_limited_as_well(sqlite: Database, tmp_path: Path) -> None:
    """A chunked body is read below the limit and cut off above it; broken chunks are 400."""
    head = b"Transfer-Encoding: chunked\r\n"
    async with receiving(sqlite, tmp_path) as hook:
        for size, status in ((2 * MIB, 401), (26 * MIB, 413)):
            chunk = f"{size:x}\r\n".encode() + b" " * size + b"\r\n0\r\n\r\n"
            assert await _raw(hook, head, chunk) == status
        assert await _raw(hook, head, b"2\r\nab\r\nthis is no length\r\n") == 400


async def test_a_body_that_drips_is_cut_off(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that doesn't arrive in time is answered 400."""
    monkeypatch.setattr(receive, "BODY_SECONDS", 0.1)
    async with receiving(sqlite, tmp_path) as hook:
        assert await _raw(hook, b"Content-Length: 1000\r\n", b"{") == 400


async def test_others_are_served_while_a_body_drips(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes: it is waited for to its end, or cut off, beside everyone else."""
    reading = asyncio.Event()
    read = web.Request.read

    async def seen(request: web.Request) -> bytes:
        reading.set()
        return await read(request)

    async with receiving(sqlite, tmp_path) as hook:
        with monkeypatch.context() as patch:
            patch.setattr(web.Request, "read", seen)
            slow = asyncio.create_task(_raw(hook, b"Content-Length: 1000\r\n", b"{"))
            await reading.wait()
        assert await hook.post(BODY) == 202
        assert not slow.done()
        monkeypatch.setattr(receive, "BODY_SECONDS", 0.1)
        assert await _raw(hook, b"Content-Length: 1000\r\n", b"{") == 400
        slow.cancel()
        await asyncio.wait([slow])


async def _raw(hook: Hook, head: bytes, body: bytes) -> int:
    """Post bytes that no HTTP library would send, and return the status."""
    parts = urlsplit(hook.url)
    reader, sender = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        sender.write(
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode() + head + b"\r\n" + body
        )
        async with asyncio.timeout(30):
            return int((await reader.readline()).split()[1])
    finally:
        sender.close()
        await sender.wait_closed()


async def test_texts_that_a_database_refuses_are_taken(hook: Hook) -> None:
    """NUL and half characters anywhere in a payload are stored on both databases, and its Request is made."""
    odd = "a\x00b \ud800 \U0001f600"
    issue = {"title": odd, "body": odd, "updated_at": odd, "user": {"login": odd}}
    sender = {"id": 11, "login": odd, "type": "User"}
    repository = {"id": 7, "full_name": odd}
    assert await hook.post(labeled(issue=issue, sender=sender, repository=repository, odd={odd: odd})) == 202
    assert await hook.post({"action": odd}, event="star") == 202
    (request,) = await hook.rows(Request)
    assert (request.text["title"], request.actor) == ("a�b � \U0001f600",) * 2
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.HANDLED, DeliveryState.IGNORED}


async def test_a_handler_that_raises_parks_its_delivery_alone(
    hook: Hook, said: list[MutableMapping[str, Any]]
) -> None:
    """A payload that no handler can read is 202, PARKED with its reason, without a Request; others flow.

    Whoever sent it made the mistake: the log says which, and knows of no bug of ours.
    """
    odd = [labeled(repository=None), labeled(issue={"number": True}), labeled(sender={"id": 10**30})]
    huge = labeled(repository={"id": 2**70, "full_name": "acme/shop"})
    bodies = [*odd, huge, labeled(), labeled(label={"name": "bug"})]
    statuses = await asyncio.gather(*(hook.post(body, id_=str(number)) for number, body in enumerate(bodies)))
    assert statuses == [202] * 6
    rows = {row.id: row for row in await hook.rows(Delivery)}
    states = [rows[str(number)].state for number in range(6)]
    parked, handled = DeliveryState.PARKED, DeliveryState.HANDLED
    assert states == [parked, parked, parked, parked, handled, handled]
    assert "repository.id is not int" in str(rows["0"].error)
    lines = {line["delivery"]: line for line in said if line["event"] == "delivery.parked"}
    assert {line["log_level"] for line in lines.values()} == {"warning"}
    assert "repository.id is not int" in lines["0"]["why"]
    assert not any("exc_info" in line for line in lines.values())
    assert [request.delivery_id for request in await hook.rows(Request)] == ["4"]


async def test_a_database_that_refuses_means_503(hook: Hook) -> None:
    """Without its table the database stores nothing: 503, never 202; afterwards all is well again."""
    async with hook.database.transaction() as session:
        await session.execute(text("ALTER TABLE deliveries RENAME TO gone"))
    assert await hook.post(BODY, id_="one") == 503
    async with hook.http.get(hook.url.replace(PATH, "/readyz")) as answer:
        assert answer.status == 503
        assert "database does not answer" in (await answer.json())["checks"]["database"]
    async with hook.database.transaction() as session:
        await session.execute(text("ALTER TABLE gone RENAME TO deliveries"))
    assert await hook.post(BODY, id_="one") == 202


async def test_a_database_that_hangs_means_503_in_time(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[MutableMapping[str, Any]]
) -> None:
    """While a stranger holds the lock everyone is told 503 in time; then deliveries are stored again."""
    committing = asyncio.Event()
    commit = DeliveryWriter._commit

    async def seen(self: DeliveryWriter, batch: list[Any]) -> set[str]:
        committing.set()
        return await commit(self, batch)

    monkeypatch.setattr(DeliveryWriter, "_commit", seen)
    monkeypatch.setattr(writer, "STORE_SECONDS", 0.5)
    async with receiving(database, tmp_path) as hook:
        async with database.transaction() as session:
            lock = "SELECT 1" if database.is_sqlite else "LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE"
            await session.execute(text(lock))
            async with asyncio.timeout(5):  # GitHub waits 10 s, and the limit above is a sixteenth of ours
                first = asyncio.create_task(hook.post(BODY, id_="0"))
                await committing.wait()  # the others come while the first one's commit hangs
                others = await asyncio.gather(*(hook.post(BODY, id_=str(number)) for number in range(1, 4)))
                assert [await first, *others] == [503] * 4
        monkeypatch.setattr(writer, "STORE_SECONDS", 8.0)  # a busy machine may need longer than half a second
        assert await hook.post(BODY, id_="0") in (200, 202)
        assert await hook.post(BODY, id_="new") == 202
    assert "deliveries.not_stored" in [line["event"] for line in said]


async def test_one_row_that_is_refused_does_not_take_the_others(
    hook: Hook, said: list[MutableMapping[str, Any]]
) -> None:
    """In one batch, the delivery that the database refuses is 503 and the others are stored."""
    async with hook.database.transaction() as session:
        if hook.database.is_sqlite:
            refusal = (
                "CREATE TRIGGER no BEFORE INSERT ON deliveries WHEN NEW.id = 'bad' "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        else:
            refusal = "ALTER TABLE deliveries ADD CONSTRAINT no CHECK (id <> 'bad')"
        await session.execute(text(refusal))
    ids = [*string.ascii_lowercase[:6], "bad", *string.ascii_lowercase[6:12]]
    statuses = dict(zip(ids, await asyncio.gather(*(hook.post(BODY, id_=id_) for id_ in ids)), strict=True))
    assert statuses.pop("bad") == 503
    assert "deliveries.refused" in [line["event"] for line in said]
    assert set(statuses.values()) == {202}
    assert {row.id for row in await hook.rows(Delivery)} == set(statuses)


async def test_a_burst_is_stored_whole(hook: Hook) -> None:
    """Three hundred deliveries at once are three hundred rows and as many Requests."""
    bodies = [labeled(issue={"number": number}) for number in range(300)]
    assert set(await asyncio.gather(*(hook.post(body) for body in bodies))) == {202}
    assert sorted(request.issue_number for request in await hook.rows(Request)) == list(range(300))


async def test_the_probes_answer(hook: Hook) -> None:
    """/healthz, /readyz and /metrics are 200 on a healthy server; GET on the hook is 405."""
    expected = {"/healthz": 200, "/readyz": 200, "/metrics": 200, PATH: 405}
    for path, status in expected.items():
        async with hook.http.get(hook.url.replace(PATH, path)) as answer:
            assert answer.status == status
