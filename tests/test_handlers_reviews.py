"""What a review of a pull request asks for: one Request each, however it is told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState, RequestKind
from tests.webhook_post import MARIA, Hook, receiving, remarked, reviewed

REVIEW, REMARK = "pull_request_review", "pull_request_review_comment"


@pytest.fixture
async def hook(sqlite: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver."""
    async with receiving(sqlite, tmp_path) as served:
        yield served


async def test_a_review_is_passed_on(hook: Hook) -> None:
    """The Request holds the verdict, its text, and where the branch was; the lines are asked for later."""
    assert await hook.post(reviewed(), event=REVIEW) == 202
    (request,) = await hook.rows(Request)
    assert (request.kind, request.cause, request.issue_number) == (RequestKind.REVIEW, "review:7:70", 57)
    assert request.text == {
        "event": "pull_request_review.submitted",
        "review_id": 70,
        "state": "changes_requested",
        "body": "Please test it.",
        "submitted_at": "2026-11-22T12:00:00Z",
        "head_ref": "journeyman/issue-42",
        "head_sha": "c" * 40,
        "comments": [],
    }


@pytest.mark.parametrize("first", [REVIEW, REMARK])
async def test_a_review_and_its_comments_are_one_request(hook: Hook, first: str) -> None:
    """Whichever of the events comes first, under however many delivery ids, makes the one Request."""
    told = {REVIEW: reviewed(), REMARK: remarked()}
    for event in (first, REVIEW, REMARK):
        assert await hook.post(told[event], event=event) == 202
    (request,) = await hook.rows(Request)
    assert (request.cause, request.text["review_id"]) == ("review:7:70", 70)
    assert await hook.post(remarked(comment={"id": 72}), event=REMARK) == 202
    assert len(await hook.rows(Request)) == 1


async def test_a_comment_on_a_line_is_passed_on(hook: Hook) -> None:
    """The event of a comment brings the comment, and the verdict of none."""
    reply = {"in_reply_to_id": 60, "line": None}
    assert await hook.post(remarked(comment=reply), event=REMARK) == 202
    (request,) = await hook.rows(Request)
    assert (request.text["state"], request.text["body"]) == ("commented", "")
    assert request.text["comments"] == [
        {
            "id": 71,
            "path": "shop.py",
            "line": None,
            "side": "RIGHT",
            "body": "Why?",
            "diff_hunk": "@@ -1 +1 @@",
            "in_reply_to_id": 60,
        }
    ]


async def test_a_comment_of_no_review_stands_for_itself(hook: Hook) -> None:
    """Where GitHub names no review, the comment's own id is the cause."""
    alone = remarked(comment={"pull_request_review_id": None})
    for _ in range(2):
        assert await hook.post(alone, event=REMARK) == 202
    (request,) = await hook.rows(Request)
    assert (request.cause, request.text["review_id"]) == ("review_comment:7:71", None)


async def test_a_bare_review_is_read(hook: Hook) -> None:
    """A review without a text, in capitals, of a branch that is gone is one all the same."""
    bare = reviewed(
        review={"body": None, "state": "APPROVED", "submitted_at": None}, pull_request={"head": None}
    )
    assert await hook.post(bare, event=REVIEW) == 202
    (request,) = await hook.rows(Request)
    assert (request.text["state"], request.text["body"], request.text["submitted_at"]) == (
        "approved",
        "",
        None,
    )
    assert (request.text["head_ref"], request.text["head_sha"]) == (None, None)


@pytest.mark.parametrize("kind", ["Bot", "Organization", "Mannequin"])
async def test_only_people_review(hook: Hook, kind: str) -> None:
    """Neither a bot's review nor one that somebody else sent asks for anything."""
    other = MARIA | {"type": kind}
    for odd in (
        {"sender": other},
        {"review": {"user": other}, "comment": {"user": other}},
        {"review": {"user": None}, "comment": {"user": None}},
        {"review": {"user": MARIA | {"id": 12}}, "comment": {"user": MARIA | {"id": 12}}},
    ):
        assert await hook.post(reviewed(**odd), event=REVIEW) == 202
        assert await hook.post(remarked(**odd), event=REMARK) == 202
    assert await hook.rows(Request) == []
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.HANDLED}


async def test_what_happens_to_a_review_later_is_ignored(hook: Hook) -> None:
    """Dismissed reviews and deleted comments: nobody acts on them."""
    assert await hook.post(reviewed() | {"action": "dismissed"}, event=REVIEW) == 202
    assert await hook.post(remarked() | {"action": "deleted"}, event=REMARK) == 202
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.IGNORED}


CHANGED = {"changes": {"body": {"from": "Before."}}}
LATER = {"updated_at": "2026-11-22T12:30:00Z"}


async def test_an_edit_of_a_review_is_passed_on(hook: Hook) -> None:
    """What was there before counts: the Request holds it; each edit is one, however often it is told."""
    review = reviewed(review=LATER, **CHANGED) | {"action": "edited"}
    remark = remarked(comment=LATER, **CHANGED) | {"action": "edited"}
    for _ in range(2):
        assert await hook.post(review, event=REVIEW) == 202
        assert await hook.post(remark, event=REMARK) == 202
    of_review, of_remark = await hook.rows(Request)
    assert (of_review.kind, of_remark.kind) == (RequestKind.EDITED, RequestKind.EDITED)
    assert (of_review.issue_number, of_remark.issue_number) == (57, 57)
    assert of_review.cause == "edited:7:review:70:2026-11-22T12:30:00Z"
    assert of_remark.cause == "edited:7:review_comment:71:2026-11-22T12:30:00Z"
    told = {"review_id": 70, "was": "Before.", "is_pull": True}
    assert of_review.text == told | {"remark_id": None, "event": "pull_request_review.edited"}
    assert of_remark.text == told | {"remark_id": 71, "event": "pull_request_review_comment.edited"}


async def test_an_edit_of_no_words_is_none(hook: Hook) -> None:
    """Nor is a bot's, or one of a bot's words; where no moment is told, each delivery is an edit."""
    bot = MARIA | {"type": "Bot"}
    for odd in ({"changes": {}}, {"sender": bot}, {"review": {"user": bot}, "comment": {"user": bot}}):
        assert await hook.post(reviewed(**odd) | {"action": "edited"}, event=REVIEW) == 202
        assert await hook.post(remarked(**odd) | {"action": "edited"}, event=REMARK) == 202
    assert await hook.rows(Request) == []
    for _ in range(2):
        assert await hook.post(reviewed(**CHANGED) | {"action": "edited"}, event=REVIEW) == 202
    assert len(await hook.rows(Request)) == 2
