"""Keep what was asked for until it is done and answered: the outbox between hearing and doing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock, database
from storage.models import Request, Task
from storage.words import RequestKind

# Of a Request's text; the rest is what people wrote.
KEPT_FOR_EVER = ("event", "updated_at", "closed_at")
# So long a thread waits for a Request that someone has taken up; a stop has 10 s in all (contract).
HOLD = timedelta(seconds=5)
# What is over at once, since nobody need be asked: it waits for nobody who asks, a stop least of all.
AT_ONCE = (
    RequestKind.STOP,
    RequestKind.PULL_CLOSED,
    RequestKind.PULL_REOPENED,
    RequestKind.REPOSITORY,
    RequestKind.INSTALLATION,
)
ASKING = tuple(kind for kind in RequestKind if kind not in AT_ONCE)


@dataclass(frozen=True)
class Ask:
    """One thing asked for: who, where, what, and the text as it was at that moment.

    `cause` is its natural key: the same cause asked twice (a replayed delivery) is one Request.
    `issue_number` is the number of the thread, an issue's or a pull request's.
    """

    cause: str
    kind: RequestKind
    repository: str
    delivery_id: str | None = None
    repository_id: int | None = None
    installation_id: int | None = None
    issue_number: int | None = None
    actor_id: int | None = None
    actor: str | None = None
    text: dict[str, Any] = field(default_factory=dict)


async def add(session: AsyncSession, asks: Sequence[Ask]) -> None:
    """Store the Requests whose cause is not there yet."""
    if not asks:
        return
    moment = clock.now()
    rows = [{**vars(ask), "created_at": moment, "attempts": 0} for ask in asks]
    connection = await session.connection()
    await connection.execute(database.insert(session, Request).on_conflict_do_nothing(), rows)


async def known(session: AsyncSession, causes: Sequence[str]) -> set[str]:
    """Return those of the causes that a Request exists for."""
    return set(await session.scalars(select(Request.cause).where(Request.cause.in_(causes))))


async def due(
    session: AsyncSession,
    limit: int = 100,
    *,
    share: int | None = None,
    kinds: Collection[RequestKind] = tuple(RequestKind),
) -> list[tuple[int, int | None]]:
    """Return the Requests of those kinds to consider now, by id and installation.

    Of each thread that is the oldest that it waits for; what it has waited for long enough; and what is over
    AT_ONCE, which waits only for its like and for the label. Each installation in its turn, oldest first,
    with at most *share* of them.
    """
    plain = Request.kind.in_((RequestKind.RUN, *AT_ONCE))
    which = (
        Request.dispatched_at.is_(None)
        & Request.kind.in_(kinds)
        & or_(
            ~_holds(),
            Request.id.in_(_first_of_each_thread(_holds())),
            Request.kind.in_(AT_ONCE) & Request.id.in_(_first_of_each_thread(_holds() & plain)),
        )
    )
    return await _by_turns(session, which, limit, share)


def _first_of_each_thread(which: ColumnElement[bool]) -> Select[int]:
    return (
        select(func.min(Request.id))
        .where(Request.dispatched_at.is_(None), which)
        .group_by(func.coalesce(Request.repository_id, 0), func.coalesce(Request.issue_number, 0))
    )


def _holds() -> ColumnElement[bool]:
    """Whether the later ones of its thread wait for a Request that is not done."""
    return or_(Request.taken_at.is_(None), Request.taken_at > clock.now() - HOLD)


async def unanswered(
    session: AsyncSession, limit: int = 100, *, share: int | None = None
) -> list[tuple[int, int | None]]:
    """Return the Requests whose person has not been told yet, in the order and with the limits of `due`."""
    return await _by_turns(session, _untold(), limit, share)


async def _by_turns(
    session: AsyncSession, which: ColumnElement[bool], limit: int, share: int | None
) -> list[tuple[int, int | None]]:
    turn = func.row_number().over(partition_by=Request.installation_id, order_by=Request.id)
    waiting = select(Request.id, Request.installation_id, turn.label("turn")).where(which, _unclaimed())
    found = waiting.subquery()
    query = select(found.c.id, found.c.installation_id).order_by(found.c.turn, found.c.id).limit(limit)
    if share is not None:
        query = query.where(found.c.turn <= share)
    return [(each, installation) for each, installation in await session.execute(query)]


async def claim(session: AsyncSession, ids: Sequence[int], until: datetime) -> list[Request]:
    """Take those of the Requests that nobody else has taken; they come back when the moment has passed."""
    statement = (
        update(Request)
        .where(Request.id.in_(ids), _unclaimed())
        .values(
            claimed_until=until,
            attempts=Request.attempts + 1,
            taken_at=func.coalesce(Request.taken_at, clock.now()),
        )
        .returning(Request)
    )
    found = await session.scalars(statement, execution_options={"synchronize_session": False})
    return sorted(found, key=lambda request: request.id)


async def renew(session: AsyncSession, ids: Sequence[int], until: datetime) -> None:
    """Keep those of the Requests that are not over until then; for the worker that has claimed them."""
    await session.execute(
        update(Request).where(Request.id.in_(ids), _unfinished()).values(claimed_until=until)
    )


async def unclaim(session: AsyncSession) -> None:
    """Give back everything that was claimed; for a worker that knows itself to be the only one.

    What that one could not do is taken up anew, and its thread waits for it once more.
    """
    given_back = update(Request).where(_unfinished(), Request.claimed_until.is_not(None))
    await session.execute(given_back.values(claimed_until=None, taken_at=None))


async def postpone(
    session: AsyncSession, request_id: int, until: datetime, *, lets_pass: bool = False
) -> None:
    """Let a Request be considered again at that moment; with *lets_pass* its thread does not wait for it."""
    values: dict[str, Any] = {"claimed_until": until} | (
        {"taken_at": clock.now() - HOLD} if lets_pass else {}
    )
    await session.execute(update(Request).where(Request.id == request_id).values(**values))


async def dispatched(
    session: AsyncSession, request_id: int, outcome: str, answer: dict[str, Any] | None = None
) -> bool:
    """Say what a Request became and what its person is to hear; False when someone else has done it."""
    statement = (
        update(Request)
        .where(Request.id == request_id, Request.dispatched_at.is_(None))
        .values(dispatched_at=clock.now(), outcome=outcome, answer=answer)
    )
    return (await session.execute(statement.returning(Request.id))).scalar_one_or_none() is not None


async def answered(session: AsyncSession, request_id: int) -> None:
    """Say that the person was told."""
    await session.execute(update(Request).where(Request.id == request_id).values(answered_at=clock.now()))


async def of_cause(session: AsyncSession, cause: str) -> Request | None:
    """Return the Request that a cause made, if there is one."""
    return (await session.scalars(select(Request).where(Request.cause == cause))).one_or_none()


async def again(session: AsyncSession, found: Sequence[Request], why: str) -> None:
    """Ask for the same once more, in that order; of the same *why* each only once."""
    names = ("kind", "repository", "repository_id", "installation_id", "issue_number", "actor_id", "actor")
    asks = []
    for one in found:
        text = {"first_heard": one.id, **one.text}
        asks.append(Ask(f"{one.cause}+{why}", **{name: getattr(one, name) for name in names}, text=text))
    await add(session, asks)


async def has_task(session: AsyncSession, request_id: int) -> bool:
    """Whether a task is known as the one that the Request began; there is one at most."""
    query = select(Task.id).where(Task.request_id == request_id)
    return (await session.scalars(query)).first() is not None


async def forget(session: AsyncSession, before: datetime, most: int = 500) -> int:
    """Forget what was said in that many Requests from before that moment that are over; return how many.

    The rows stay, for their cause keeps the same thing from being heard twice.
    """
    old = (
        select(Request.id, Request.text)
        .where(Request.created_at < before, Request.forgotten_at.is_(None), ~_unfinished())
        .order_by(Request.id)
        .limit(most)
    )
    moment = clock.now()
    rows = [
        {
            "id": each,
            "text": {name: text[name] for name in KEPT_FOR_EVER if name in text},
            "answer": None,
            "forgotten_at": moment,
        }
        for each, text in await session.execute(old)
    ]
    if rows:
        await session.execute(update(Request), rows)
    return len(rows)


def _unfinished() -> ColumnElement[bool]:
    return or_(Request.dispatched_at.is_(None), _untold())


def _untold() -> ColumnElement[bool]:
    return Request.answer.is_not(None) & Request.answered_at.is_(None)


def _unclaimed() -> ColumnElement[bool]:
    return or_(Request.claimed_until.is_(None), Request.claimed_until <= clock.now())
