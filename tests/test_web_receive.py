"""The receiver stores what GitHub signed, once, and nothing else; it answers every fault with its status."""

import asyncio
import hashlib
import hmac
import json
import string
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import text

from bot.web import receive, writer
from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState
from tests.webhook_post import SECRET, Hook, labelled, receiving, sign

MIB = 1024 * 1024


@pytest.fixture
async def hook(database: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver over a real database, of each kind."""
    async with receiving(database, tmp_path) as served:
        yield served


async def test_a_signed_delivery_is_stored_before_it_is_answered(hook: Hook) -> None:
    """202 means a row with the bytes as sent, the Request that its handler made, and a rung bell."""
    assert await hook.post(labelled(), id_="one") == 202
    (row,) = await hook.rows(Delivery)
    (request,) = await hook.rows(Request)
    assert (row.id, row.event, row.action, row.state) == ("one", "issues", "labeled", DeliveryState.HANDLED)
    assert json.loads(row.payload) == labelled()
    assert (request.delivery_id, request.repository_id, request.issue_number) == ("one", 7, 42)
    assert hook.rung


async def test_a_redelivery_is_answered_200_and_does_nothing(hook: Hook) -> None:
    """The same id again is 200: one row, one Request, however often."""
    assert [await hook.post(labelled(), id_="one") for _ in range(3)] == [202, 200, 200]
    assert (len(await hook.rows(Delivery)), len(await hook.rows(Request))) == (1, 1)


async def test_eight_at_once_are_one_delivery(hook: Hook) -> None:
    """Of eight concurrent posts of one id exactly one is 202, the others 200, and one row stays."""
    statuses = await asyncio.gather(*(hook.post(labelled(), id_="one") for _ in range(8)))
    assert sorted(statuses) == [200] * 7 + [202]
    assert (len(await hook.rows(Delivery)), len(await hook.rows(Request))) == (1, 1)


async def test_two_receivers_share_one_memory(hook: Hook, tmp_path: Path) -> None:
    """A delivery and its redelivery that reach two servers at once are one delivery."""
    async with receiving(hook.database, tmp_path) as other:
        statuses = await asyncio.gather(*(one.post(labelled(), id_="one") for one in [hook, other] * 4))
    assert sorted(statuses) == [200] * 7 + [202]
    assert len(await hook.rows(Request)) == 1


async def test_a_ping_is_answered_200(hook: Hook) -> None:
    """GitHub's first ping is stored and answered 200."""
    assert await hook.post({"zen": "Keep it logically awesome.", "hook_id": 1}, event="ping") == 200
    assert [row.event for row in await hook.rows(Delivery)] == ["ping"]


async def test_an_unknown_event_is_stored_and_ignored(hook: Hook) -> None:
    """What no handler takes is 202 and IGNORED, an unknown action of a known event as well."""
    assert await hook.post({"action": "sparkled"}, event="unicorn") == 202
    assert await hook.post(labelled(action="sparkled")) == 202
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.IGNORED}
    assert await hook.rows(Request) == []


BODY = json.dumps(labelled()).encode()
RIGHT = sign(BODY)
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
    "SHA-1": "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest(),
    "not ASCII": "sha256=" + "ü" * 64,
    "lone surrogate": "sha256=\udcff",
}


@pytest.mark.parametrize("signature", WRONG_SIGNATURES.values(), ids=WRONG_SIGNATURES)
async def test_a_wrong_signature_is_401_and_leaves_no_row(signature: str | None, database: Database, tmp_path: Path) -> None:
    """Whatever is not the SHA-256 signature of the body by our secret is 401, and nothing is stored."""
    async with receiving(database, tmp_path) as hook:
        sha1 = {"X-Hub-Signature": "sha1=" + hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()}
        if signature == "sha256=\udcff":
            assert await _raw(hook, BODY, b"sha256=\xff\xfe") == 401
        else:
            assert await hook.post(BODY, **{"X-Hub-Signature-256": signature}, **sha1) == 401
        assert await hook.rows(Delivery) == []


async def test_the_signature_is_checked_before_anything_else(hook: Hook) -> None:
    """A stranger learns nothing from what else is wrong with a request: it is 401."""
    wrong = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    assert await hook.post(b"", **wrong) == 401
    assert await hook.post(b"{", **wrong, **{"X-GitHub-Event": None}) == 401


async def test_both_secrets_hold_while_rotating(database: Database, tmp_path: Path) -> None:
    """With two secrets set, what either signed is taken, and what neither signed is not."""
    async with receiving(database, tmp_path, webhook_secrets=("old", "new")) as hook:
        found = [await hook.post(BODY, **{"X-Hub-Signature-256": sign(BODY, each)}) for each in ("old", "new", SECRET)]
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
    "gzip that isn't": (BODY, {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize(("body", "headers"), NOT_DELIVERIES.values(), ids=NOT_DELIVERIES)
async def test_what_is_no_delivery_is_400(
    body: bytes, headers: dict[str, str | None], migrated_file: Path, tmp_path: Path
) -> None:
    """Signed or not, what is no delivery is 400, never 5xx, leaves no row, and the next one is served."""
    database = databases.connect(f"sqlite:///{migrated_file}")
    async with receiving(database, tmp_path) as hook:
        assert await hook.post(body, **headers) == 400
        assert await hook.rows(Delivery) == []
        assert await hook.post({}, event="ping", id_=str(uuid.uuid4())) == 200
