"""Turn issue events into Requests."""

from typing import Any

from gidgethub import routing, sansio
from sqlalchemy.ext.asyncio import AsyncSession

from handlers import payload
from handlers.policy import Policy
from storage import repositories, requests
from storage.words import RequestKind

router = routing.Router()


@router.register("issues", action="labeled")
async def labeled(event: sansio.Event, session: AsyncSession, policy: Policy, *_: Any) -> None:
    """Start work when the trigger label is added to an issue."""
    await _on_trigger_label(event, session, policy, RequestKind.RUN)


@router.register("issues", action="unlabeled")
async def unlabeled(event: sansio.Event, session: AsyncSession, policy: Policy, *_: Any) -> None:
    """Stop work when the trigger label is taken away."""
    await _on_trigger_label(event, session, policy, RequestKind.STOP)


@router.register("issues", action="closed")
async def closed(event: sansio.Event, session: AsyncSession, policy: Policy, *_: Any) -> None:
    """Stop work on an issue that nobody wants done any more."""
    del policy
    await _add(event, session, payload.issue_event(event.data), RequestKind.STOP)


async def _on_trigger_label(
    event: sansio.Event, session: AsyncSession, policy: Policy, kind: RequestKind
) -> None:
    issue = payload.issue_event(event.data)
    wanted = await repositories.label_of(session, issue.repository_id) or policy.label
    # The label of this event, never the issue's list: an issue opened with six labels sends six of these.
    if payload.label_name(event.data).casefold() != wanted.casefold():
        return
    # A bot that adds the label could start work that no person asked for.
    if issue.actor_is_bot and kind is RequestKind.RUN:
        return
    await _add(event, session, issue, kind)


async def _add(
    event: sansio.Event, session: AsyncSession, issue: payload.IssueEvent, kind: RequestKind
) -> None:
    if not issue.is_pull_request and issue.installation_id is not None:
        await requests.add(session, _ask(event, issue, kind), event.delivery_id)


def _ask(event: sansio.Event, issue: payload.IssueEvent, kind: RequestKind) -> requests.Ask:
    return requests.Ask(
        cause=f"{event.delivery_id}:{kind}",
        kind=kind,
        repository=issue.repository,
        repository_id=issue.repository_id,
        installation_id=issue.installation_id,
        issue_number=issue.issue_number,
        actor_id=issue.actor_id,
        actor=issue.actor,
        text={**issue.text, "event": f"{event.event}.{event.data['action']}"},
    )
