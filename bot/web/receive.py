"""Decide what a webhook request is, and answer only once it is stored."""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from email.message import Message
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from gidgethub import sansio

from bot.web.writer import DeliveryWriter, NotStored

# https://docs.github.com/en/webhooks/webhook-events-and-payloads: "Payloads are capped at 25 MB"
MOST_BYTES = 25 * 1024 * 1024
# Hashing and parsing more than this is done beside the event loop.
LARGE_BYTES = 1024 * 1024
# GitHub gives up after 10 s; a body that drips in slower than that is nobody's delivery.
BODY_SECONDS = 9.0

_DELIVERY = re.compile(r"[\x21-\x7e]{1,200}")
_EVENT = re.compile(r"[a-z0-9_]{1,100}")


class Unsigned(Exception):
    """The signature is missing or none that our secrets make."""


class BadDelivery(Exception):
    """What came in is not a delivery; the text names what is wrong with it."""


class Receiver:
    """The webhook route of the contract: 202, 200, 400, 401, 413, 503."""

    def __init__(self, writer: DeliveryWriter, secrets: Sequence[str]) -> None:
        if not secrets or not all(secrets):
            raise ValueError("an empty webhook secret would let anyone in")
        self._writer = writer
        self._secrets = [secret.encode() for secret in secrets]

    async def receive(self, request: web.Request) -> web.Response:
        """Verify, store, answer."""
        try:
            body = await _body(request)
            # The answer to others must not wait while 25 MiB are hashed and parsed.
            if len(body) > LARGE_BYTES:
                event, document = await asyncio.to_thread(self._open, request.headers, body)
            else:
                event, document = self._open(request.headers, body)
            new = await self._writer.store(event, document)
        except Unsigned:
            return _answer(401, "X-Hub-Signature-256 is missing or does not match the webhook secret")
        except BadDelivery as problem:
            return _answer(400, str(problem))
        except NotStored as problem:
            return _answer(503, str(problem))
        if event.event == "ping":
            return _answer(200, "pong")
        return _answer(202, "stored") if new else _answer(200, "already stored")

    def _open(self, headers: Mapping[str, str], body: bytes) -> tuple[sansio.Event, bytes]:
        """Return the event and its JSON document; raises Unsigned before it looks at anything else."""
        if not self._signed(body, headers.get("X-Hub-Signature-256")):
            raise Unsigned
        return _event(headers, body)

    def _signed(self, body: bytes, signature: str | None) -> bool:
        """Whether any of our secrets made the signature; SHA-256 only, in constant time.

        https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
        """
        if signature is None or not signature.startswith("sha256="):
            return False
        given = signature.removeprefix("sha256=").encode("utf-8", "surrogateescape")
        made = [hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in self._secrets]
        return any([hmac.compare_digest(one, given) for one in made])  # noqa: C419  # a generator stops early


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise BadDelivery("the body did not arrive in time") from None
    except web.RequestPayloadError:
        raise BadDelivery("the body's encoding is broken") from None


def _event(headers: Mapping[str, str], body: bytes) -> tuple[sansio.Event, bytes]:
    name = headers.get("X-GitHub-Event", "")
    delivery = headers.get("X-GitHub-Delivery", "")
    if not _EVENT.fullmatch(name):
        raise BadDelivery("X-GitHub-Event is missing or malformed")
    if not _DELIVERY.fullmatch(delivery):
        raise BadDelivery("X-GitHub-Delivery is missing or malformed")
    document = _document(headers.get("Content-Type", ""), body)
    data = _json(document)
    if not isinstance(data, dict):
        raise BadDelivery("the payload is not a JSON object")
    action = data.get("action")
    if action is not None and not isinstance(action, str):
        raise BadDelivery("the payload's action is not a text")
    return sansio.Event(data, event=name, delivery_id=delivery), document


def _document(content_type: str, body: bytes) -> bytes:
    """Return the JSON document of either content type that GitHub offers."""
    header = Message()
    header["content-type"] = content_type
    charset = header.get_param("charset", "utf-8")
    if not isinstance(charset, str) or charset.lower().replace("-", "") not in {"utf8", "usascii"}:
        raise BadDelivery("the charset is not UTF-8")
    kind = header.get_content_type() if content_type else ""
    if kind == "application/json":
        return body
    if kind == "application/x-www-form-urlencoded":
        try:
            form = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=10)
            return form["payload"][0].encode()
        except (ValueError, KeyError):
            raise BadDelivery("the form has no payload field") from None
    raise BadDelivery("the content type is neither application/json nor application/x-www-form-urlencoded")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _json(document: bytes) -> Any:
    try:
        return json.loads(document.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadDelivery("the payload is not valid JSON in UTF-8") from None


def _answer(status: int, text: str) -> web.Response:
    return web.json_response({"message": text}, status=status)
