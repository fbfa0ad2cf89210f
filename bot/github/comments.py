"""Decide which comment of ours says what: one for each key, edited in place, never posted twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from bot.github import client, faults, publish
from bot.github.client import Installation
from bot.github.publish import Ledger, Order
from bot.words import markers

log = structlog.get_logger(__name__)

_CLOCKS = timedelta(minutes=15)  # our clock and GitHub's may differ
_COMMENT = "/repos/{owner}/{repo}/issues/comments/{id}"
_COMMENTS = "/repos/{owner}/{repo}/issues/{number}/comments"


async def ensure_comment(
    installation: Installation,
    repo: str,
    issue_number: int,
    *,
    key: str,
    marker: str,
    body: str,
    ledger: Ledger,
    task_id: str | None = None,
    since: datetime | None = None,
) -> int | None:
    """Make the one comment named `key` say `body` and return its id.

    `marker` is the hidden first line by which a lost comment is found again, with its author; `since`, the
    start of the task, bounds that search. A comment that a person deleted is replaced once; a second deletion
    is respected and None returned. Raises WorldFault (nothing was made on a failed read) or Blocked.
    """
    publish.fitting(body, marker)
    if await ledger.find(f"{key}:gone") is not None:
        return None
    place = _Place(installation, repo, issue_number, marker, since)
    again = f"{key}:again"
    order = Order(ledger, key if await ledger.find(again) is None else again, "comment", task_id)
    thing = await publish.converge(
        order, look=place.look, make=lambda: place.make(body), pause=installation.pause
    )
    if thing.made or await place.say(thing.id, body):
        return thing.id
    return await _replace(place, order, key, body, deleted=thing.id)


async def _replace(place: "_Place", order: Order, key: str, body: str, *, deleted: int) -> int | None:
    """Post a deleted comment again the first time; remember the second deletion for good."""
    if order.key == key:
        again = Order(order.ledger, f"{key}:again", order.kind, order.task_id)
        log.info("comment.replaced", key=key)
        place.ignored = deleted
        thing = await publish.converge(
            again, look=place.look, make=lambda: place.make(body), pause=place.installation.pause
        )
        return thing.id
    await order.ledger.begin(f"{key}:gone", order.kind, order.task_id)
    await order.ledger.done(f"{key}:gone", "0")
    log.info("comment.respected", key=key)
    return None


class _Place:
    """One conversation, and our comment with one marker in it."""

    def __init__(
        self, installation: Installation, repo: str, number: int, marker: str, since: datetime | None
    ) -> None:
        self.installation = installation
        self._where = client.owner_and_name(repo)
        self._number = number
        self._marker = marker
        self._since: dict[str, Any] = {}
        if since is not None:
            self._since["since"] = f"{since.astimezone(UTC) - _CLOCKS:%Y-%m-%dT%H:%M:%SZ}"
        self.ignored: int | None = (
            None  # a comment that is known to be deleted, though a list may still show it
        )

    async def look(self) -> int | None:
        """Return the id of our first comment that begins with the marker; a quoted one does not count."""
        me = await self.installation.identity()
        pages = self.installation.getiter(
            _COMMENTS + "{?per_page,since}", **self._where, number=self._number, per_page=100, **self._since
        )
        async for comment in pages:
            if comment["id"] == self.ignored:
                continue
            if markers.begins(comment.get("body"), self._marker) and me.made(comment):
                return int(comment["id"])
        return None

    async def make(self, body: str) -> int:
        """Post the comment."""
        made = await self.installation.post(_COMMENTS, {"body": body}, **self._where, number=self._number)
        publish.stored(made, body, f"comment {made['id']}")
        return int(made["id"])

    async def say(self, comment_id: int, body: str) -> bool:
        """Edit the comment if it says something else; return False when a person has deleted it."""
        shown = await publish.settled(lambda: self._read(comment_id), self.installation.pause)
        if shown is None:
            return False
        if publish.same(shown.get("body"), body):
            return True
        try:
            kept = await self.installation.patch(_COMMENT, {"body": body}, **self._where, id=comment_id)
        except (faults.NotFound, faults.Gone):
            return False
        publish.stored(kept, body, f"comment {comment_id}")
        return True

    async def _read(self, comment_id: int) -> dict[str, Any] | None:
        """Return the comment; None when GitHub does not show it (deleted, or not yet visible)."""
        try:
            shown: dict[str, Any] = await self.installation.get(_COMMENT, **self._where, id=comment_id)
        except (faults.NotFound, faults.Gone):
            return None
        return shown
