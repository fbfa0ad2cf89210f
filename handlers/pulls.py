"""Turn the closing and reopening of a pull request into Requests, whoever did it: merge queues are bots."""

from gidgethub import routing, sansio

from handlers import asking, payload
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()


@router.register("pull_request", action="closed")
async def closed(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Say that nobody waits for more on this pull request, and whether it was merged."""
    pull = payload.part(event.data, "pull_request")
    number = payload.number(pull, "number", payload.LARGEST_THREAD)
    known_as = asking.cause(event, "pull_closed", number, payload.moment(pull, "closed_at"))
    asking.put(
        asks,
        event,
        RequestKind.PULL_CLOSED,
        known_as,
        number=number,
        text={
            "merged": pull.get("merged") is True or payload.moment(pull, "merged_at") is not None,
            "head_ref": payload.text_or_none(pull, "head.ref", payload.MOST_NAME),
            "merge_commit_sha": payload.text_or_none(pull, "merge_commit_sha", payload.MOST_NAME),
            "closed_at": payload.moment(pull, "closed_at"),
            "updated_at": payload.moment(pull, "updated_at"),
        },
    )


@router.register("pull_request", action="reopened")
async def reopened(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Say that the pull request is wanted again."""
    pull = payload.part(event.data, "pull_request")
    number = payload.number(pull, "number", payload.LARGEST_THREAD)
    known_as = asking.cause(event, "pull_reopened", number, payload.moment(pull, "updated_at"))
    asking.put(
        asks,
        event,
        RequestKind.PULL_REOPENED,
        known_as,
        number=number,
        text={
            "head_ref": payload.text_or_none(pull, "head.ref", payload.MOST_NAME),
            "updated_at": payload.moment(pull, "updated_at"),
        },
    )
