"""What the closing and reopening of a pull request ask for."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from storage.models import Delivery
from storage.words import DeliveryState, RequestKind
from tests.webhook_post import Hook, pulled, receiving

BOT = {"id": 12, "login": "merge-queue[bot]", "type": "Bot"}


@pytest.fixture
async def hook(sqlite: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver."""
    async with receiving(sqlite, tmp_path) as served:
        yield served


async def test_a_closed_pull_request_is_told_once(hook: Hook) -> None:
    """Each closing is one Request, whoever closed it; closing it again later is another."""
    closed = pulled("closed", sender=BOT)
    await hook.asked(closed, "pull_request")
    (request,) = await hook.asked(closed, "pull_request")
    assert request.kind is RequestKind.PULL_CLOSED
    assert request.cause == "pull_closed:7:57:2026-11-22T11:00:00Z"
    assert (request.issue_number, request.actor) == (57, "merge-queue[bot]")
    assert request.text == {
        "event": "pull_request.closed",
        "merged": False,
        "head_ref": "journeyman/issue-42",
        "merge_commit_sha": None,
        "closed_at": "2026-11-22T11:00:00Z",
        "updated_at": "2026-11-22T11:00:00Z",
    }
    again = pulled("closed", pull_request={"closed_at": "2026-11-22T11:00:09Z"})
    assert len(await hook.asked(again, "pull_request")) == 2


@pytest.mark.parametrize("merged", [{"merged": True}, {"merged": None, "merged_at": "2026-11-22T11:00:00Z"}])
async def test_a_merge_is_told(hook: Hook, merged: dict[str, Any]) -> None:
    """That it was merged is known by either of GitHub's two words for it."""
    payload = pulled("closed", pull_request=merged | {"merge_commit_sha": "e" * 40})
    (request,) = await hook.asked(payload, "pull_request")
    assert (request.text["merged"], request.text["merge_commit_sha"]) == (True, "e" * 40)


async def test_a_reopened_pull_request_is_told(hook: Hook) -> None:
    """Reopening is one Request per change; what else happens to a pull request is ignored."""
    (request,) = await hook.asked(pulled("reopened"), "pull_request")
    assert request.cause == "pull_reopened:7:57:2026-11-22T11:00:00Z"
    assert request.text == {
        "event": "pull_request.reopened",
        "head_ref": "journeyman/issue-42",
        "updated_at": "2026-11-22T11:00:00Z",
    }
    for action in ("opened", "labeled", "synchronize", "edited"):
        assert len(await hook.asked(pulled(action), "pull_request")) == 1
    states = [row.state for row in await hook.rows(Delivery)]
    assert states.count(DeliveryState.IGNORED) == 4
