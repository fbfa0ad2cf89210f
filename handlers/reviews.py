"""Turn reviews of a pull request into Requests: one each, whether it or a comment of it is told first."""

from typing import Any

from gidgethub import routing, sansio

from handlers import asking, payload
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()


@router.register("pull_request_review", action="submitted")
async def submitted(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on a person's verdict; its comments on lines are asked for later, all together."""
    review = payload.part(event.data, "review")
    number = payload.number(review, "id")
    if payload.is_authors_own(event.data, "review.user"):
        asking.put(
            asks,
            event,
            RequestKind.REVIEW,
            asking.cause(event, "review", number),
            number=_pull(event),
            text={
                "review_id": number,
                "state": payload.text(review, "state", payload.MOST_NAME).lower(),
                "body": payload.text(review, "body"),
                "submitted_at": payload.moment(review, "submitted_at"),
                "comments": [],
                **_head(event),
            },
        )


@router.register("pull_request_review_comment", action="created")
async def commented(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Pass on a person's comment on a line; as part of its review, where it names one."""
    comment = payload.part(event.data, "comment")
    number = payload.number(comment, "id")
    review = payload.number_or_none(comment, "pull_request_review_id")
    if payload.is_authors_own(event.data, "comment.user"):
        asking.put(
            asks,
            event,
            RequestKind.REVIEW,
            asking.cause(event, *(("review_comment", number) if review is None else ("review", review))),
            number=_pull(event),
            text={
                "review_id": review,
                "state": "commented",
                "body": "",
                "submitted_at": payload.moment(comment, "created_at"),
                "comments": [_remark(comment)],
                **_head(event),
            },
        )


@router.register("pull_request_review", action="edited")
async def edited(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Note that a person changed the text of a review, and what it said before."""
    review = payload.part(event.data, "review")
    _note_edit(event, asks, review, "review", payload.number(review, "id"), None)


@router.register("pull_request_review_comment", action="edited")
async def remark_edited(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Note that a person changed a comment on a line, and what it said before."""
    comment = payload.part(event.data, "comment")
    review = payload.number_or_none(comment, "pull_request_review_id")
    _note_edit(event, asks, comment, "review_comment", review, payload.number(comment, "id"))


def _note_edit(
    event: sansio.Event, asks: list[Ask], written: dict[str, Any], word: str, review: int | None,
    remark: int | None,
) -> None:  # fmt: skip
    author, changes = payload.person(written, "user"), event.data.get("changes")
    if author is None or not author.is_human or not payload.is_human(event.data):
        return
    if isinstance(changes, dict) and "body" not in changes:
        return  # no words of it
    number, moment = payload.number(written, "id"), payload.moment(written, "updated_at")
    asking.put(
        asks,
        event,
        RequestKind.EDITED,
        asking.cause(event, "edited", word, number, moment),
        number=_pull(event),
        text={
            "review_id": review,
            "remark_id": remark,
            "was": payload.text_or_none(event.data, "changes.body.from"),
            "is_pull": True,
        },
    )


def _pull(event: sansio.Event) -> int:
    return payload.number(event.data, "pull_request.number", payload.LARGEST_THREAD)


def _head(event: sansio.Event) -> dict[str, Any]:
    """Return where the branch is; its repository may be gone, its name and commit stay."""
    return {
        "head_ref": payload.text_or_none(event.data, "pull_request.head.ref", payload.MOST_NAME),
        "head_sha": payload.text_or_none(event.data, "pull_request.head.sha", payload.MOST_NAME),
    }


def _remark(comment: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": payload.number(comment, "id"),
        "path": payload.text(comment, "path"),
        "line": payload.number_or_none(comment, "line"),  # null once the code has moved on
        "side": payload.text_or_none(comment, "side", payload.MOST_NAME),
        "body": payload.text(comment, "body"),
        "diff_hunk": payload.text(comment, "diff_hunk"),
        "in_reply_to_id": payload.number_or_none(comment, "in_reply_to_id"),
    }
