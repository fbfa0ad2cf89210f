"""Decide which single reaction of ours an issue or a comment carries."""

from dataclasses import dataclass
from typing import Any

import structlog

from bot.github import client, faults
from bot.github.client import Installation

log = structlog.get_logger(__name__)

SEEN = "eyes"
DONE_WELL = "rocket"
DONE = "+1"
UNCLEAR = "confused"
DENIED = "-1"
OURS = frozenset({SEEN, DONE_WELL, DONE, UNCLEAR, DENIED})

_PATHS = {
    "issue": "/repos/{owner}/{repo}/issues/{id}/reactions",
    "comment": "/repos/{owner}/{repo}/issues/comments/{id}/reactions",
    "review_comment": "/repos/{owner}/{repo}/pulls/comments/{id}/reactions",
}


@dataclass(frozen=True)
class Subject:
    """What is reacted to: `kind` is issue (id = number, pull requests too), comment or review_comment."""

    kind: str
    id: int


async def ensure_reaction(
    installation: Installation, repo: str, subject: Subject, content: str, *, gives_way: bool = False
) -> bool:
    """Make `content` our only reaction there; a refusal (locked, deleted) is logged and False returned.

    With `gives_way`, one of ours that is there stays in its place: what comes late must not hide an end.
    Needs no ledger: GitHub answers a repeated reaction with the one that exists. Raises WorldFault.
    """
    where: dict[str, Any] = {**client.owner_and_name(repo), "id": subject.id}
    path = _PATHS[subject.kind]
    try:
        made = await installation.post(path, {"content": content}, repeatable=True, **where)
        # Looked at after ours is there: in a flood it may wait for long to be set.
        others = await _others(installation, path, where, than=int(made["id"]))
        for reaction_id in [int(made["id"])] if gives_way and others else others:
            await installation.delete(path + "/{reaction_id}", **where, reaction_id=reaction_id)
    except faults.Refused as fault:
        log.warning("reaction.refused", repository=repo, subject=subject.id, why=str(fault))
        return False
    return True


async def _others(installation: Installation, path: str, where: dict[str, Any], *, than: int) -> list[int]:
    me = await installation.identity()
    return [
        int(reaction["id"])
        async for reaction in installation.getiter(path + "{?per_page}", **where, per_page=100)
        if reaction["content"] in OURS and me.made(reaction) and int(reaction["id"]) != than
    ]
