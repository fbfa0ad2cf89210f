"""Decide that each outside thing exists once: by its stored id, else found as our own, else made.

A failed read never means absent: it is raised, and nothing is made. After a lost answer we look before
anything is sent again, and GitHub is given time to show what it has just made.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from bot.github import faults
from bot.words import markers

log = structlog.get_logger(__name__)

T = TypeVar("T")

MOST_BYTES = 65_536  # of a comment or a pull request's body; GitHub's own limit is counted less strictly
SETTLING = (1.0, 2.0, 4.0, 8.0)  # seconds between looks at something that GitHub may not show yet
_MOST_MAKES = 3


class Effect(Protocol):
    """What the ledger knows of one outside action."""

    @property
    def state(self) -> str:
        """Return `begun` or `done`."""

    @property
    def external_id(self) -> str | None:
        """Return GitHub's id of what was made."""


class Ledger(Protocol):
    """Remembers outside actions by key; each call is committed when it returns."""

    async def begin(self, key: str, kind: str, task_id: str | None) -> Effect:
        """Write down that the action is about to happen, unless known, and return what is known."""

    async def done(self, key: str, external_id: str, detail: dict[str, Any] | None = None) -> None:
        """Write down that the action happened and what it made."""

    async def find(self, key: str) -> Effect | None:
        """Return what is known of the action, None when it was never begun."""


@dataclass(frozen=True)
class Order:
    """What is to exist, under which key, for which task; `kind` is comment, pull or check."""

    ledger: Ledger
    key: str
    kind: str
    task_id: str | None


@dataclass(frozen=True)
class Thing:
    """What exists now; `made` says that this very call made it, so it is as desired."""

    id: int
    made: bool


async def converge(
    order: Order,
    *,
    look: Callable[[], Awaitable[int | None]],
    make: Callable[[], Awaitable[int]],
    pause: Callable[[float], Awaitable[object]],
) -> Thing:
    """Return the one thing: known to the ledger, found by `look`, or made now.

    When an earlier attempt may have made it (the key was begun, or an answer was lost), `look` is repeated
    for 15 seconds before it counts as absent. Raises what `look` and `make` raise, and Uncertain after three
    lost answers.
    """
    known = await order.ledger.find(order.key)
    if known is not None and known.external_id is not None:
        return Thing(int(known.external_id), made=False)
    await order.ledger.begin(order.key, order.kind, order.task_id)
    found = await (look() if known is None else settled(look, pause))
    made = False
    for attempt in range(1, _MOST_MAKES + 1):
        if found is not None:
            break
        try:
            found, made = await make(), True
        except faults.Uncertain as lost:
            log.warning("effect.uncertain", key=order.key, why=str(lost), attempt=attempt)
            found = await settled(look, pause)
            if found is None and attempt == _MOST_MAKES:
                raise
    if found is None:
        raise AssertionError("the loop ends with something found or raises")
    await order.ledger.done(order.key, str(found))
    log.info("effect.done", key=order.key, kind=order.kind, external_id=found, made=made)
    return Thing(found, made)


async def settled(
    read: Callable[[], Awaitable[T | None]], pause: Callable[[float], Awaitable[object]]
) -> T | None:
    """Return what `read` returns, asked again after 1, 2, 4 and 8 seconds while it returns None.

    GitHub shows some of what it has just made a few seconds late.
    """
    found = await read()
    for seconds in SETTLING:
        if found is not None:
            break
        await pause(seconds)
        found = await read()
    return found


def fitting(body: str, marker: str = "") -> str:
    """Return the body if GitHub will take it; ValueError if too long or not beginning with its marker."""
    size = len(body.encode())
    if size > MOST_BYTES:
        raise ValueError(f"a body of {size} bytes was not cut to {MOST_BYTES}")
    if marker and not markers.begins(body, marker):
        raise ValueError(f"the body does not begin with its marker {marker}")
    return body


def same(left: str | None, right: str | None) -> bool:
    """Return whether two bodies are the same to GitHub, which may change line ends and trim."""
    return _plain(left) == _plain(right)


def stored(answer: Mapping[str, Any], body: str, what: str) -> None:
    """Log when GitHub kept another text than it was sent: it has cut or ignored over-long ones with a 200."""
    kept = answer.get("body")
    if kept is not None and not same(str(kept), body):
        log.warning("effect.differs", what=what, sent=len(body), kept=len(str(kept)))


def _plain(body: str | None) -> str:
    return (body or "").replace("\r\n", "\n").strip()
