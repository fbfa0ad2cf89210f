"""What a comment asks for: a person's own word, once, as it was when it was written."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState, RequestKind
from tests.webhook_post import MARIA, Hook, commented, labeled, receiving


@pytest.fixture
async def hook(sqlite: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver."""
    async with receiving(sqlite, tmp_path) as served:
        yield served


async def test_a_comment_is_passed_on_with_its_thread(hook: Hook) -> None:
    """The Request holds who, where, the words and the issue's text as they were at that moment."""
    (request,) = await hook.asked(commented())
    assert (request.kind, request.cause) == (RequestKind.COMMENT, "comment:7:900")
    assert (request.installation_id, request.repository_id, request.repository) == (3, 7, "acme/shop")
    assert (request.issue_number, request.actor_id, request.actor) == (42, 11, "maria")
    assert request.text == {
        "event": "issue_comment.created",
        "comment_id": 900,
        "body": "/journeyman run",
        "is_pull": False,
        "title": "Totals are wrong",
        "issue_body": "See.",
        "issue_author": "ada",
        "state": "open",
        "created_at": "2026-11-22T10:00:00Z",
        "thread_updated_at": "2026-11-22T10:00:00Z",
        "via_app": None,
    }


async def test_a_comment_on_a_pull_request_says_so(hook: Hook) -> None:
    """A pull request is an issue to GitHub; the Request tells the two apart, and an App that was used."""
    app = {"performed_via_github_app": {"id": 99}}
    (request,) = await hook.asked(commented(issue={"pull_request": {"url": "u"}}, comment=app))
    assert (request.text["is_pull"], request.text["via_app"]) == (True, 99)


async def test_a_comment_told_twice_is_one_request(hook: Hook) -> None:
    """Two webhooks give one comment two delivery ids; the comment's own id makes it one Request."""
    await hook.asked(commented())
    assert len(await hook.asked(commented())) == 1
    assert len(await hook.asked(commented(comment={"id": 901}))) == 2
    elsewhere = commented(repository={"id": 8, "full_name": "acme/other"})
    assert len(await hook.asked(elsewhere)) == 3


@pytest.mark.parametrize("kind", ["Bot", "Organization", "Mannequin"])
async def test_only_people_are_heard(hook: Hook, kind: str) -> None:
    """Neither a sender nor an author of another type asks for anything, whatever the login looks like."""
    other = MARIA | {"type": kind}
    assert await hook.asked(commented(sender=other, comment={"user": other})) == []
    assert await hook.asked(commented(comment={"user": other})) == []
    assert await hook.asked(commented(sender=other)) == []
    assert await hook.asked(commented("edited", sender=other)) == []
    assert await hook.asked(commented("edited", comment={"user": other})) == []


async def test_a_login_that_ends_like_a_bots_is_a_person(hook: Hook) -> None:
    """GitHub's own word for the account decides."""
    odd = MARIA | {"login": "maria[bot]"}
    assert len(await hook.asked(commented(sender=odd, comment={"user": odd}))) == 1


async def test_nobody_speaks_in_anothers_name(hook: Hook) -> None:
    """A comment that somebody else is said to have sent, or whose author is gone, asks for nothing."""
    assert await hook.asked(commented(comment={"user": MARIA | {"id": 12}})) == []
    assert await hook.asked(commented(comment={"user": None})) == []
    assert await hook.asked(commented(sender=None)) == []
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.HANDLED}


async def test_an_edited_comment_is_no_command(hook: Hook) -> None:
    """Each edit is one note that names the comment, by whoever it was changed; the words aren't in it."""
    (request,) = await hook.asked(commented("edited", sender=MARIA | {"id": 12, "login": "kim"}))
    assert (request.kind, request.actor) == (RequestKind.EDITED, "kim")
    assert request.cause == "edited:7:900:2026-11-22T10:00:05Z"
    assert request.text == {"event": "issue_comment.edited", "comment_id": 900, "is_pull": False}
    assert len(await hook.asked(commented("edited"))) == 1
    later = commented("edited", comment={"updated_at": "2026-11-22T10:00:06Z"})
    assert len(await hook.asked(later)) == 2


async def test_a_deleted_comment_is_ignored(hook: Hook) -> None:
    """Nothing is registered for it."""
    assert await hook.asked(commented("deleted")) == []
    assert [row.state for row in await hook.rows(Delivery)] == [DeliveryState.IGNORED]


async def test_an_edit_without_its_moment_is_known_by_its_delivery(hook: Hook) -> None:
    """Two edits that can't be told apart by their times are two; a time that is no time counts as none."""
    for odd in (None, "x" * 3000, 7):
        await hook.asked(commented("edited", comment={"updated_at": odd}))
    requests = await hook.rows(Request)
    assert [request.cause for request in requests] == [request.delivery_id for request in requests]
    assert len(requests) == 3


async def test_a_changed_issue_is_noted(hook: Hook) -> None:
    """A new title or text of an issue is one note; other changes, bots and pull requests make none."""
    at = {"updated_at": "2026-11-22T10:00:07Z"}
    for changes in ({"title": {"from": "x"}}, {"body": {"from": "y"}}):
        requests = await hook.asked(labeled(action="edited", changes=changes, issue=at), "issues")
        assert [request.cause for request in requests] == ["edited:7:issue:42:2026-11-22T10:00:07Z"]
    assert (requests[0].kind, requests[0].text) == (RequestKind.EDITED, {"event": "issues.edited"})
    later = {"updated_at": "2026-11-22T10:00:08Z"}
    body = {"changes": {"body": {"from": "y"}}}
    for none in (
        labeled(action="edited", changes={}, issue=later),
        labeled(action="edited", issue=later),
        labeled(action="edited", issue=later | {"pull_request": {}}, **body),
        labeled(action="edited", issue=later, sender=MARIA | {"type": "Bot"}, **body),
    ):
        assert len(await hook.asked(none, "issues")) == 1


async def test_a_repositorys_own_webhook_asks_for_nothing(hook: Hook) -> None:
    """Without an installation there is no right to act."""
    assert await hook.asked(commented(installation=None)) == []
    assert await hook.asked(commented("edited", installation=None)) == []


@pytest.mark.parametrize(
    "odd",
    [
        {"comment": {"id": 2**64}},
        {"comment": {"id": True}},
        {"comment": {"id": None}},
        {"comment": {"user": {"id": -1, "login": "maria", "type": "User"}}},
        {"comment": {"user": "maria"}},
        {"comment": {"performed_via_github_app": {"id": "9"}}},
        {"issue": {"number": 2**31}},
        {"issue": {"number": "42"}},
        {"issue": {"title": None}},
        {"repository": {"id": 7, "full_name": ["acme/shop"]}},
        {"repository": {"id": 7, "full_name": "x" * 301}},
        {"installation": {"id": "3"}},
        {"sender": [1]},
    ],
    ids=str,
)
async def test_a_fact_of_another_type_parks_the_delivery(hook: Hook, odd: dict[str, Any]) -> None:
    """A payload that isn't what it must be makes no Request, and is kept for someone to look at."""
    assert await hook.asked(commented(**odd)) == []
    (row,) = await hook.rows(Delivery)
    assert (row.state, str(row.error).startswith("MalformedPayload: the payload's ")) == (
        DeliveryState.PARKED,
        True,
    )


async def test_words_that_are_no_words_are_none(hook: Hook) -> None:
    """A body that is null or of another type is empty: there was nothing to read in it."""
    (request,) = await hook.asked(commented(comment={"body": None}, issue={"body": 7, "user": None}))
    assert (request.text["body"], request.text["issue_body"], request.text["issue_author"]) == ("", "", None)


async def test_long_words_are_cut(hook: Hook) -> None:
    """What is longer than GitHub lets anyone write is cut at its limit."""
    (request,) = await hook.asked(commented(comment={"body": "ü" * 70_000}))
    assert request.text["body"] == "ü" * 65_536
