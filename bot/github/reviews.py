"""Decide what a review says, and that each of its inline threads gets one answer of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.github import client, faults, publish
from bot.github.client import Installation
from bot.github.publish import Ledger, Order
from bot.words import markers

_REVIEW = "/repos/{owner}/{repo}/pulls/{number}/reviews/{id}"
_THREADS = "/repos/{owner}/{repo}/pulls/{number}/comments"
MOST_INLINE = 300


@dataclass(frozen=True)
class Review:
    """A submitted review; `state` is lower case (approved, changes_requested, commented, dismissed)."""

    state: str
    body: str
    comments: list[dict[str, Any]]  # id, root, path, line, body, diff_hunk


async def read(installation: Installation, repo: str, number: int, review_id: int) -> Review | None:
    """Return a review with its inline comments, None when GitHub does not show it. Raises WorldFault."""
    where = {**client.owner_and_name(repo), "number": number, "id": review_id}
    try:
        review = await installation.get(_REVIEW, **where)
        pages = installation.getiter(_REVIEW + "/comments{?per_page}", **where, per_page=100)
        found = [inline(comment) async for comment in pages]
    except (faults.NotFound, faults.Gone):
        return None
    return Review(
        state=str(review.get("state") or "").lower(),
        body=str(review.get("body") or ""),
        comments=found[:MOST_INLINE],
    )


def inline(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what we keep of an inline comment; `root` is the comment that its thread begins with."""
    return {
        "id": int(data["id"]),
        "root": int(data.get("in_reply_to_id") or data["id"]),
        "path": str(data.get("path") or ""),
        "line": data.get("line") or data.get("original_line"),
        "body": str(data.get("body") or ""),
        "diff_hunk": str(data.get("diff_hunk") or ""),
    }


async def ensure_reply(
    installation: Installation,
    repo: str,
    number: int,
    root: int,
    *,
    key: str,
    marker: str,
    body: str,
    ledger: Ledger,
    task_id: str | None = None,
) -> None:
    """Answer an inline thread once; one that was posted before, by its marker and its author, stays as it is.

    A thread that is gone is no fault: its answer has nowhere to go. Raises WorldFault or Blocked.
    """
    publish.fitting(body, marker)
    where = {**client.owner_and_name(repo), "number": number}

    async def look() -> int | None:
        me = await installation.identity()
        async for comment in installation.getiter(_THREADS + "{?per_page}", **where, per_page=100):
            if markers.begins(comment.get("body"), marker) and me.made(comment):
                return int(comment["id"])
        return None

    async def make() -> int:
        made = await installation.post(_THREADS + "/{id}/replies", {"body": body}, **where, id=root)
        return int(made["id"])

    order = Order(ledger, key, "reply", task_id)
    try:
        await publish.converge(order, look=look, make=make, pause=installation.pause)
    except (faults.NotFound, faults.Gone):
        return
