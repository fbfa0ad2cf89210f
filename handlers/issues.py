"""Turn issue events into Requests."""

from typing import Any

from gidgethub import routing, sansio

from handlers import payload
from handlers.policy import Policy
from storage.requests import Ask
from storage.words import RequestKind

router = routing.Router()


@router.register("issues", action="labeled")
async def labeled(event: sansio.Event, policy: Policy, asks: list[Ask], *_: Any) -> None:
    """Start work when a person adds the trigger label to an issue."""
    issue = payload.issue_event(event.data)
    # A bot that adds the label could start work that no person asked for.
    if _is_trigger(event, issue, policy) and not issue.actor_is_bot:
        _ask(event, issue, RequestKind.RUN, asks)


@router.register("issues", action="unlabeled")
async def unlabeled(event: sansio.Event, policy: Policy, asks: list[Ask], *_: Any) -> None:
    """Stop work when the trigger label is taken away."""
    issue = payload.issue_event(event.data)
    if _is_trigger(event, issue, policy):
        _ask(event, issue, RequestKind.STOP, asks)


@router.register("issues", action="closed")
async def closed(event: sansio.Event, policy: Policy, asks: list[Ask], *_: Any) -> None:
    """Stop work on an issue that nobody wants done any more."""
    del policy
    _ask(event, payload.issue_event(event.data), RequestKind.STOP, asks)


def _is_trigger(event: sansio.Event, issue: payload.IssueEvent, policy: Policy) -> bool:
    """Look at the label of this event alone: an issue opened with six labels sends six of these."""
    return policy.starts(issue.repository_id, payload.label_name(event.data))


def _ask(event: sansio.Event, issue: payload.IssueEvent, kind: RequestKind, asks: list[Ask]) -> None:
    if issue.is_pull_request or issue.installation_id is None:
        return
    asks.append(
        Ask(
            cause=f"{event.delivery_id}:{kind}",
            kind=kind,
            delivery_id=event.delivery_id,
            repository=issue.repository,
            repository_id=issue.repository_id,
            installation_id=issue.installation_id,
            issue_number=issue.issue_number,
            actor_id=issue.actor_id,
            actor=issue.actor,
            text={**issue.text, "event": f"{event.event}.{event.data['action']}"},
        )
    )
