"""Turn pushes that may have changed the in-repository configuration into Requests."""

from typing import Any

from gidgethub import routing, sansio

from handlers import asking, payload
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()

CONFIGURATION = ".github/journeyman.yml"
# GitHub leaves commits out of long lists: beyond 2048 here, beyond 20 where it tells of the same push as an
# event (docs.github.com/en/rest/using-the-rest-api/github-event-types). To look once too often is cheap.
MOST_COMMITS = 20


@router.register("push")
async def pushed(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Have the configuration read again after a push to the default branch that touches it, or may do so."""
    data = event.data
    if payload.text(data, "ref") != f"refs/heads/{payload.name(data, 'repository.default_branch')}":
        return
    if data.get("deleted") is True or not _may_touch(data):
        return
    text = {"head_sha": payload.text(data, "after", payload.MOST_NAME)}
    asking.put(asks, event, RequestKind.CONFIGURED, asking.delivery(event), text=text)


def _may_touch(data: Any) -> bool:
    commits = payload.parts(data, "commits")
    if data.get("forced") is True or data.get("created") is True or len(commits) >= MOST_COMMITS:
        return True
    head = data.get("head_commit")
    return any(_touches(commit) for commit in [*commits, head if isinstance(head, dict) else {}])


def _touches(commit: dict[str, Any]) -> bool:
    found = (commit.get(key) for key in ("added", "modified", "removed"))
    return any(isinstance(paths, list) and CONFIGURATION in paths for paths in found)
