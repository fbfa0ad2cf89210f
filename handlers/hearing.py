"""Make Requests of deliveries: what each of them asks for, or why that could not be told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from gidgethub import routing, sansio
from sqlalchemy.ext.asyncio import AsyncSession

from handlers import payload
from handlers.policy import Policy
from storage import repositories
from storage.requests import Ask
from storage.words import DeliveryState

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Heard:
    """What became of one delivery, and the Requests that its handlers made."""

    state: DeliveryState
    error: str | None = None
    asks: list[Ask] = field(default_factory=list)


async def hear(
    session: AsyncSession, router: routing.Router, events: Sequence[sansio.Event], label: str
) -> list[Heard]:
    """Return what each event became, in order; `label` holds where a repository's own is not known.

    Handlers only read what is handed to them, so one that raises leaves nothing behind to take back.
    """
    taken = [bool(router.fetch(event)) for event in events]
    # Other events are about no label, and need not cost a look into the database.
    named = {
        payload.repository_id(event.data)
        for event, is_taken in zip(events, taken, strict=True)
        if is_taken and event.event == "issues"
    }
    policy = Policy(label, await repositories.labels(session, named))
    return [
        await _one(router, event, policy) if is_taken else _IGNORED
        for event, is_taken in zip(events, taken, strict=True)
    ]


_IGNORED = Heard(DeliveryState.IGNORED)


async def _one(router: routing.Router, event: sansio.Event, policy: Policy) -> Heard:
    asks: list[Ask] = []
    try:
        await router.dispatch(event, policy, asks)
    except payload.MalformedPayload as problem:  # whoever shaped it; that is no bug of ours
        log.warning("delivery.parked", delivery=event.delivery_id, gh_event=event.event, why=str(problem))
        return _parked(problem)
    except Exception as problem:  # the boundary: a bug in a handler must not lose the delivery
        log.exception("delivery.parked", delivery=event.delivery_id, gh_event=event.event)
        return _parked(problem)
    return Heard(DeliveryState.HANDLED, None, asks)


def _parked(problem: Exception) -> Heard:
    return Heard(DeliveryState.PARKED, f"{type(problem).__name__}: {problem}")
