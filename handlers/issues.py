"""Turn issue events into Requests."""

from gidgethub import routing, sansio

from handlers import asking, payload
from handlers.payload import Issue
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()


@router.register("issues", action="labeled")
async def labeled(event: sansio.Event, policy: Policy, asks: list[Ask]) -> None:
    """Start work when a person adds the trigger label to an issue."""
    issue = payload.issue(event.data)
    # A bot that adds the label could start work that no person asked for.
    if _is_trigger(event, policy) and payload.is_human(event.data):
        _ask(event, issue, RequestKind.RUN, asks)


@router.register("issues", action="unlabeled")
async def unlabeled(event: sansio.Event, policy: Policy, asks: list[Ask]) -> None:
    """Stop work when the trigger label is taken away."""
    issue = payload.issue(event.data)
    if _is_trigger(event, policy):
        _ask(event, issue, RequestKind.STOP, asks)


@router.register("issues", action="closed")
@router.register("issues", action="deleted")
@router.register("issues", action="transferred")
@router.register("issues", action="locked")
async def ended(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Stop work on an issue that nobody wants done any more, that is not there, or where we can't speak."""
    _ask(event, payload.issue(event.data), RequestKind.STOP, asks)


@router.register("issues", action="edited")
async def edited(event: sansio.Event, _policy: Policy, asks: list[Ask]) -> None:
    """Note that a person changed what an issue asks for; a milestone or a label is no change of that."""
    issue = payload.issue(event.data)
    changed = event.data.get("changes")
    rewritten = isinstance(changed, dict) and not changed.keys().isdisjoint({"title", "body"})
    if rewritten and not issue.is_pull and payload.is_human(event.data):
        known_as = asking.cause(event, "edited", "issue", issue.number, issue.updated_at)
        asking.put(asks, event, RequestKind.EDITED, known_as, number=issue.number)


def _is_trigger(event: sansio.Event, policy: Policy) -> bool:
    """Look at the label of this event alone: an issue opened with six labels sends six of these."""
    label = payload.name(event.data, "label.name")
    return policy.starts(payload.repository_id(event.data), label)


def _ask(event: sansio.Event, issue: Issue, kind: RequestKind, asks: list[Ask]) -> None:
    if issue.is_pull:
        return
    # Nothing in the payload tells a label from the same one taken away and added again within a second.
    asking.put(
        asks,
        event,
        kind,
        asking.delivery(event, kind),
        number=issue.number,
        text={
            "title": issue.title,
            "body": issue.body,
            "author": issue.author,
            "updated_at": issue.updated_at,
        },
    )
