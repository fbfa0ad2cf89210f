"""Read a review with everything that belongs to it, in the words in which it was submitted."""

from collections.abc import Mapping
from typing import Any

from bot.errors import WorldFault
from bot.github import reviews
from bot.github.client import Installation
from bot.talk import commands
from bot.talk.commands import Heard
from storage import past
from storage.database import Database
from storage.models import Request

PATIENT_ATTEMPTS = 3  # GitHub may show a review some seconds after it tells of it


def told(request: Request) -> dict[str, Any]:
    """Return what the event brought of the review: its text, or one inline comment."""
    text = request.text
    return {
        "id": text.get("review_id"), "author": request.actor, "state": text.get("state"),
        "body": text.get("body") or "",
        "comments": [reviews.inline(comment) for comment in text.get("comments") or ()],
    }  # fmt: skip


async def read(database: Database, installation: Installation, request: Request) -> dict[str, Any]:
    """Return the review with all its inline comments, which come in no one delivery. Raises WorldFault.

    They are read later than they were written. What was told of one wins, and what an edit replaced.
    """
    found, number, review_id = told(request), int(request.issue_number or 0), request.text.get("review_id")
    if review_id is None:
        return found
    shown = await reviews.read(installation, request.repository, number, int(review_id))
    if shown is None and request.attempts < PATIENT_ATTEMPTS:
        raise WorldFault("GitHub does not show the review yet", 2.0)
    if shown is None:
        return found
    was = await _before_edits(database, request, int(review_id))
    if str(request.text.get("event", "")).startswith("pull_request_review_comment"):
        found["state"], found["body"] = shown.state, was.get(None, shown.body)
    was |= {comment["id"]: comment["body"] for comment in found["comments"]}
    if shown.comments:
        found["comments"] = [
            {**comment, "body": was.get(comment["id"], comment["body"])} for comment in shown.comments
        ]
    return found


async def _before_edits(database: Database, request: Request, review_id: int) -> dict[int | None, str]:
    """Return what inline comments of the review said before anyone edited them; under None its own text."""
    async with database.reading() as reading:
        edits = await past.edits(reading, request)
    was: dict[int | None, str] = {}
    for text in (edit.text for edit in edits):
        if text.get("review_id") == review_id and text.get("was") is not None:
            was.setdefault(text.get("remark_id"), str(text["was"]))
    return was


def heard(found: Mapping[str, Any], slug: str) -> Heard:
    """Return everything that the review's text and its inline comments say to us."""
    texts = [str(found["body"]), *(str(comment["body"]) for comment in found["comments"])]
    beside = len([text for text in texts if text.strip()]) > 1
    said = [commands.read(text, slug, beside=beside) for text in texts]
    every = [command for one in said for command in one.commands]
    most = commands.MOST_COMMANDS
    left_out = sum(one.left_out for one in said) + max(0, len(every) - most)
    return Heard(tuple(every[:most]), left_out, "", mentioned=any(one.mentioned for one in said))
