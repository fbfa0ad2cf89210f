"""Decide what of a call can be read: its body, its ids, its query; everything else is a clear refusal."""

import asyncio
import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from bot.web.api import shapes
from bot.web.api.problems import Fault, Problem
from storage.listing import Place

Read = TypeVar("Read")

# A body that drips in slower than this is nobody's call.
BODY_SECONDS = 10.0
MOST_FAULTS = 20
DEFAULT_LIMIT, MOST_LIMIT = 20, 100

_ID = re.compile(r"[a-z0-9]{1,32}")
_NUMBER = re.compile(r"[0-9]{1,15}")
_MICROS = re.compile(r"[0-9]{1,17}")
_START = datetime(1970, 1, 1, tzinfo=UTC)


async def body(request: web.Request, adapter: TypeAdapter[Read], most_bytes: int) -> tuple[Read, bytes]:
    """Return the body as the adapter reads it, and as it was sent; raises Problem 400, 408, 413, 415, 422."""
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8":
        raise Problem(
            415, "send the body as application/json in UTF-8", headers={"Accept": "application/json"}
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(
            415, "send the body without a content encoding", headers={"Accept-Encoding": "identity"}
        )
    raw = await _bytes(request, most_bytes)
    try:
        return adapter.validate_json(raw), raw
    except ValidationError as problem:
        raise _invalid(problem) from None


async def _bytes(request: web.Request, most: int) -> bytes:
    too_large = Problem(413, f"the body is larger than {most // 1024} KiB", headers={"Connection": "close"})
    if (request.content_length or 0) > most:
        raise too_large
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.content.iter_any():
                raw += part
                if len(raw) > most:
                    raise too_large
    except TimeoutError:
        raise Problem(408, "the body did not arrive in time", headers={"Connection": "close"}) from None
    except web.RequestPayloadError:
        raise Problem(400, "the body's encoding is broken") from None
    return bytes(raw)


def _invalid(problem: ValidationError) -> Problem:
    found = problem.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return Problem(400, f"the body is not JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}")
    faults = [Fault(_pointer(one["loc"]), _words(one["msg"])) for one in found[:MOST_FAULTS]]
    return Problem(422, f"{faults[0].pointer.strip('#/') or 'the body'}: {faults[0].detail}", faults)


def _pointer(location: tuple[int | str, ...]) -> str:
    """Return a JSON pointer, "#" for the whole body."""
    parts = [str(part) for part in location]
    if parts[:1] and parts[0] in {shapes.ON_REPOSITORY, shapes.IN_PROJECT}:
        parts = parts[1:]
    return "".join(["#", *("/" + part[:100].replace("~", "~0").replace("/", "~1") for part in parts)])


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")


def identity(request: web.Request, what: str) -> str:
    """Return the id in the address; raises Problem 404 for one that we never give."""
    given = request.match_info["id"]
    if not _ID.fullmatch(given):
        raise unknown(what)
    return given


def unknown(what: str) -> Problem:
    """Return the problem of an id that names nothing; `what` is "session" or "task"."""
    return Problem(404, f"there is no {what} of this id")


def limit(request: web.Request) -> int:
    """Return how many entries a page may have; raises Problem 400."""
    given = request.query.get("limit", str(DEFAULT_LIMIT))
    if not _NUMBER.fullmatch(given) or not 1 <= int(given) <= MOST_LIMIT:
        raise Problem(400, f"limit must be a whole number from 1 to {MOST_LIMIT}")
    return int(given)


def place(request: web.Request) -> Place | None:
    """Return where the page before ended, by the cursor that we gave with it; raises Problem 400."""
    given = request.query.get("cursor")
    if given is None:
        return None
    try:
        text = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)).decode("ascii")
        micros, _, task_id = text.partition(".")
        moment = _START + timedelta(microseconds=int(micros if _MICROS.fullmatch(micros) else ""))
    except (ValueError, binascii.Error, OverflowError):
        raise _no_cursor() from None
    if not _ID.fullmatch(task_id):
        raise _no_cursor()
    return Place(moment, task_id)


def _no_cursor() -> Problem:
    return Problem(400, "cursor is none that a page of this list gave")


def cursor(last: Place) -> str:
    """Return the opaque text that `place` reads back."""
    micros = (last.created_at - _START) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{micros}.{last.task_id}".encode()).decode().rstrip("=")


def last_event(request: web.Request) -> int:
    """Return the number of the last event that the caller has seen, 0 for none; raises Problem 400.

    A client that comes back sends the header, and its address still holds what it began with.
    """
    given = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or "0"
    if not _NUMBER.fullmatch(given):
        raise Problem(400, "Last-Event-ID must be the id of an event of this task")
    return int(given)


def answer(document: Any, status: int = 200, **headers: str) -> web.Response:
    """Return a document that pydantic wrote."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(
        body=document if isinstance(document, bytes) else document.model_dump_json().encode(),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers=named,
    )
