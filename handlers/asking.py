"""Put a Request together: who asks, where, and the cause by which its repetition is known."""

from collections.abc import Mapping
from typing import Any

from gidgethub import sansio

from handlers import payload
from handlers.payload import Place
from storage.requests import Ask
from storage.words import RequestKind


def cause(event: sansio.Event, word: str, *parts: int | str | None) -> str:
    """Return the name of one happening, the same by whichever webhook and however often GitHub tells of it.

    Where the payload lacks a part of it, the delivery itself is the name: to hear a happening twice is better
    than to take two for one.
    """
    if None in parts:
        return delivery(event)
    return ":".join(str(each) for each in (word, payload.number(event.data, "repository.id"), *parts))


def delivery(event: sansio.Event, *parts: int | str) -> str:
    """Return the name of something that only its delivery tells apart from the next one like it."""
    return ":".join(str(each) for each in (event.delivery_id, *parts))


def put(
    asks: list[Ask],
    event: sansio.Event,
    kind: RequestKind,
    known_as: str,
    *,
    number: int | None = None,
    place: Place | None = None,
    text: Mapping[str, Any] | None = None,
) -> None:
    """Add the Request; none where no installation gives a right to act. Raises MalformedPayload.

    `number` is the thread's; `place` is the event's own repository unless given.
    """
    where = place or payload.place(event.data)
    actor = payload.person(event.data, "sender")
    if where.installation_id is None:
        return
    action = event.data.get("action")
    asks.append(
        Ask(
            cause=known_as,
            kind=kind,
            delivery_id=event.delivery_id,
            repository=where.repository,
            repository_id=where.repository_id,
            installation_id=where.installation_id,
            issue_number=number,
            actor_id=actor.id if actor else None,
            actor=actor.login if actor else None,
            text={**(text or {}), "event": f"{event.event}.{action}" if action else event.event},
        )
    )
