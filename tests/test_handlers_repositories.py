"""What becomes of a repository is passed on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState, RequestKind
from tests.webhook_post import MARIA, Hook, receiving, said


@pytest.fixture
async def hook(sqlite: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver."""
    async with receiving(sqlite, tmp_path) as served:
        yield served


@pytest.mark.parametrize("action", ["archived", "unarchived", "deleted", "privatized", "publicized"])
async def test_what_becomes_of_a_repository_is_passed_on(hook: Hook, action: str) -> None:
    """The Request names the repository and what happened to it; it is about no thread."""
    (request,) = await hook.asked(said(action=action), "repository")
    assert (request.kind, request.cause) == (RequestKind.REPOSITORY, request.delivery_id)
    assert (request.repository_id, request.repository, request.issue_number) == (7, "acme/shop", None)
    assert request.text == {"event": f"repository.{action}"}


@pytest.mark.parametrize(
    ("changes", "old"),
    [
        ({"repository": {"name": {"from": "store"}}}, "acme/store"),
        ({"owner": {"from": {"user": {"login": "ada"}}}}, "ada/shop"),
        ({"owner": {"from": {"organization": {"login": "umbrella"}}}}, "umbrella/shop"),
    ],
)
async def test_a_new_name_comes_with_the_old_one(hook: Hook, changes: dict[str, Any], old: str) -> None:
    """After a rename or a transfer the Request holds the full name from before."""
    action = "renamed" if "repository" in changes else "transferred"
    (request,) = await hook.asked(said(action=action, changes=changes), "repository")
    assert request.text == {"event": f"repository.{action}", "old_name": old}


async def test_what_else_happens_to_a_repository_is_ignored(hook: Hook) -> None:
    """Nothing is registered for `created` and `edited`; a repository's own webhook gives no right to act."""
    for action in ("created", "edited"):
        assert await hook.asked(said(action=action), "repository") == []
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.IGNORED}
    assert await hook.asked(said(action="archived", installation=None), "repository") == []


@pytest.mark.parametrize("action", ["added", "removed"])
async def test_each_repository_of_a_selection_is_one_request(hook: Hook, action: str) -> None:
    """Of the two lists the one that the action names counts, and the delivery twice is still once."""
    change = {
        "action": action,
        "installation": {"id": 3},
        "repositories_added": [],
        "repositories_removed": [],
        "sender": MARIA,
    }
    change[f"repositories_{action}"] = [{"id": id_, "full_name": f"acme/{id_}"} for id_ in (8, 9)]
    assert await hook.post(change, event="installation_repositories", id_="one") == 202
    assert await hook.post(change, event="installation_repositories", id_="one") == 200
    requests = await hook.rows(Request)
    told = [(each.cause, each.repository, each.repository_id, each.installation_id) for each in requests]
    assert told == [("one:8", "acme/8", 8, 3), ("one:9", "acme/9", 9, 3)]
    assert requests[0].text == {"event": f"installation_repositories.{action}"}
