"""What an issue event asks for: the label of this very event counts, and who added it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage import repositories
from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState, RequestKind
from tests.webhook_post import Hook, labeled, receiving


@pytest.fixture
async def hook(sqlite: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver, whose trigger label is `journeyman`."""
    async with receiving(sqlite, tmp_path) as served:
        yield served


async def _asked(hook: Hook, payload: dict[str, Any]) -> list[RequestKind]:
    assert await hook.post(payload) == 202
    return [request.kind for request in await hook.rows(Request)]


async def test_the_trigger_label_asks_for_work(hook: Hook) -> None:
    """The Request names who, where and the issue's text as it was at that moment."""
    user = {"id": 11, "login": "maria", "type": "User"}
    issue = {"title": "T", "body": "B", "user": {"login": "ada"}, "updated_at": "2026-11-22T10:00:00Z"}
    assert await _asked(hook, labeled(issue=issue, sender=user)) == [RequestKind.RUN]
    (request,) = await hook.rows(Request)
    assert (request.installation_id, request.repository_id, request.repository) == (3, 7, "acme/shop")
    assert (request.issue_number, request.actor_id, request.actor) == (42, 11, "maria")
    assert request.text == {
        "title": "T",
        "body": "B",
        "author": "ada",
        "updated_at": "2026-11-22T10:00:00Z",
        "event": "issues.labeled",
    }


async def test_only_the_label_of_this_event_counts(hook: Hook) -> None:
    """An issue that wears the label asks for nothing when another label is added to it."""
    labels = [{"name": "bug"}, {"name": "journeyman"}]
    assert await _asked(hook, labeled(label={"name": "bug"}, issue={"labels": labels})) == []


async def test_an_issue_opened_with_six_labels_asks_once(hook: Hook) -> None:
    """Of `opened` and six `labeled`, one is the trigger's, in whatever order they come."""
    names = ["bug", "ui", "journeyman", "p1", "good first issue", "journeyman-later"]
    labels = [{"name": name} for name in names]
    for name in reversed(names):
        assert await hook.post(labeled(label={"name": name}, issue={"labels": labels})) == 202
    opened = labeled(issue={"labels": labels}) | {"action": "opened"}
    assert await _asked(hook, opened) == [RequestKind.RUN]


async def test_a_label_is_known_in_any_case(hook: Hook) -> None:
    """GitHub's labels differ in more than case, so ours is matched without it."""
    assert await _asked(hook, labeled(label={"name": "Journeyman"})) == [RequestKind.RUN]


async def test_a_repository_may_have_its_own_label(hook: Hook) -> None:
    """The label last known good of the repository wins, and the default then means nothing there."""
    async with hook.database.transaction() as session:
        await repositories.save(session, 7, "acme/shop", "fix-me", {})
    assert await _asked(hook, labeled()) == []
    elsewhere = labeled(repository={"id": 8, "full_name": "acme/other"})
    assert await _asked(hook, elsewhere) == [RequestKind.RUN]
    assert await _asked(hook, labeled(label={"name": "fix-me"})) == [RequestKind.RUN] * 2


@pytest.mark.parametrize("kind", ["Bot", "Organization", "Mannequin"])
async def test_a_bot_cannot_start_work(hook: Hook, kind: str) -> None:
    """A label that no person added starts nothing; one that is taken away stops, whoever did it."""
    bot = {"id": 12, "login": "helper", "type": kind}
    assert await _asked(hook, labeled(sender=bot)) == []
    assert await _asked(hook, labeled(action="unlabeled", sender=bot)) == [RequestKind.STOP]


async def test_a_person_whose_name_looks_like_a_bot_can(hook: Hook) -> None:
    """GitHub's own word for the account decides, not its name."""
    odd = {"id": 13, "login": "someone[bot]", "type": "User"}
    assert await _asked(hook, labeled(sender=odd)) == [RequestKind.RUN]


async def test_a_labeled_pull_request_asks_for_nothing(hook: Hook) -> None:
    """A pull request is an issue to GitHub, and none of our business here."""
    assert await _asked(hook, labeled(issue={"pull_request": {"url": "u"}})) == []
    assert await _asked(hook, labeled(action="unlabeled", issue={"pull_request": {}})) == []


async def test_taking_the_label_away_stops(hook: Hook) -> None:
    """`unlabeled` with the trigger's name asks to stop; with another it asks for nothing."""
    assert await _asked(hook, labeled(action="unlabeled", label={"name": "bug"})) == []
    assert await _asked(hook, labeled(action="unlabeled")) == [RequestKind.STOP]


async def test_closing_the_issue_stops(hook: Hook) -> None:
    """`closed` asks to stop whoever closed it, and a closed pull request doesn't."""
    closed = labeled(action="closed")
    del closed["label"]
    assert await _asked(hook, closed) == [RequestKind.STOP]
    assert await _asked(hook, closed | {"issue": closed["issue"] | {"pull_request": {}}}) == [
        RequestKind.STOP
    ]


@pytest.mark.parametrize("action", ["deleted", "transferred", "locked"])
async def test_an_issue_that_is_gone_stops(hook: Hook, action: str) -> None:
    """Deleted, moved to another repository, or locked: there is nobody left to speak to."""
    gone = labeled(action=action)
    del gone["label"]
    assert await _asked(hook, gone) == [RequestKind.STOP]
    (request,) = await hook.rows(Request)
    assert (request.issue_number, request.text["event"]) == (42, f"issues.{action}")


async def test_a_label_added_again_at_once_is_two(hook: Hook) -> None:
    """Added, taken away and added within one second of GitHub's clock, it is wanted in the end."""
    at = {"updated_at": "2026-11-22T10:00:00Z"}
    for action in ("labeled", "unlabeled", "labeled"):
        kinds = await _asked(hook, labeled(action=action, issue=at))
    assert kinds == [RequestKind.RUN, RequestKind.STOP, RequestKind.RUN]


async def test_what_else_happens_to_an_issue_is_ignored(hook: Hook) -> None:
    """Nothing is registered for the other actions."""
    for action in ("opened", "assigned", "reopened", "milestoned"):
        assert await _asked(hook, labeled(action=action)) == []
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.IGNORED}


async def test_a_repository_hook_asks_for_nothing(hook: Hook) -> None:
    """What a repository's own webhook tells gives no right to act there: it is stored, and no Request."""
    assert await _asked(hook, labeled(installation=None)) == []
    without = labeled()
    del without["installation"]
    assert await _asked(hook, without) == []
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.HANDLED}


async def test_an_issue_of_a_deleted_account_is_read(hook: Hook) -> None:
    """GitHub sends null for a body that is empty and for an author who is gone."""
    assert await _asked(hook, labeled(issue={"body": None, "user": None})) == [RequestKind.RUN]
    (request,) = await hook.rows(Request)
    assert (request.text["body"], request.text["author"]) == ("", None)
