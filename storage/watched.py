"""Tell what a look at GitHub is held against: sessions, pull requests, what was asked in a thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.models import Delivery, Request, Session, Task
from storage.words import ENDED, RequestKind

BY_LABEL = ("issues.labeled", "sweep.labeled")
# GitHub's own moments of one event differ by a second or two; hosts' clocks by more.
SAME_SECONDS = timedelta(seconds=10)
SAME_BY_OUR_CLOCK = timedelta(seconds=60)


@dataclass(frozen=True)
class Watched:
    """An open session of an issue.

    `is_busy`: it has unfinished tasks that nobody has asked to stop. `asked_at` is when a person asked for
    the last of them, by GitHub's clock, None where that is unknown. `by_label`: the session began with the
    label; `task_by_label`: so did the last of the unfinished tasks.
    """

    session_id: str
    issue_number: int
    is_busy: bool = False
    asked_at: datetime | None = None
    by_label: bool = False
    task_by_label: bool = False


@dataclass(frozen=True)
class Offer:
    """A pull request of ours, whose session began at `created_at` and may have ended.

    `is_open`: we know nothing else of it. Otherwise it was closed unmerged, as far as we know.
    """

    number: int
    is_open: bool
    created_at: datetime
    ended_at: datetime | None


async def in_repository(session: AsyncSession, repository_id: int) -> list[Watched]:
    """Return the open sessions of a repository's issues, oldest first."""
    query = (
        select(Session)
        .where(
            Session.repository_id == repository_id,
            Session.issue_number.is_not(None),
            Session.ended_at.is_(None),
        )
        .order_by(Session.created_at)
    )
    owners = list(await session.scalars(query))
    begun: dict[str, list[Row[Any]]] = {owner.id: [] for owner in owners}
    if owners:
        grown = (
            select(Task.session_id, Task.status, Task.cancel_wanted, Request.kind, Request.text)
            .outerjoin(Request, Task.request_id == Request.id)
            .where(Task.session_id.in_(list(begun)))
            .order_by(Task.created_at)
        )
        for row in await session.execute(grown):
            begun[row.session_id].append(row)
    return [_watched(owner, begun[owner.id]) for owner in owners]


def _watched(owner: Session, rows: Sequence[Row[Any]]) -> Watched:
    busy = [row for row in rows if row.status not in ENDED and row.cancel_wanted is None]
    last = busy[-1].text if busy else None
    return Watched(
        session_id=owner.id,
        issue_number=int(owner.issue_number or 0),
        is_busy=bool(busy),
        asked_at=moment_of(last or {}),
        by_label=bool(rows) and _is_by_label(rows[0]),
        task_by_label=bool(busy) and _is_by_label(busy[-1]),
    )


def _is_by_label(row: Row[Any]) -> bool:
    return row.kind is RequestKind.RUN and (row.text or {}).get("event") in BY_LABEL


async def offers(session: AsyncSession, repository_id: int, closed_since: datetime) -> list[Offer]:
    """Return the pull requests that we hold for open, and those that were closed since then; newest first.

    A review is heard whatever became of its session, and whether or not that had an issue.
    """
    query = (
        select(Session)
        .where(
            Session.repository_id == repository_id,
            Session.pull_request.is_not(None),
            or_(
                Session.pull_state == "open",
                Session.pull_state.is_(None) & Session.ended_at.is_(None),
                (Session.pull_state == "closed") & (Session.ended_at >= closed_since),
            ),
        )
        .order_by(Session.created_at.desc())
    )
    return [
        Offer(int(each.pull_request or 0), each.pull_state != "closed", each.created_at, each.ended_at)
        for each in await session.scalars(query)
    ]


async def is_known(
    session: AsyncSession, repository_id: int, number: int, kind: RequestKind, moment: datetime | None
) -> bool:
    """Whether we know that an issue got its label (RUN), or was given up (STOP), at that moment or later.

    Work that began since stands for the label too. Without a moment, anything of the kind at any time does.
    """
    query = select(Request.text, Request.created_at).where(
        Request.repository_id == repository_id, Request.issue_number == number, Request.kind == kind
    )
    if any(_is_as_new(row, moment) for row in await session.execute(query)):
        return True
    return kind is RequestKind.RUN and await _has_worked(session, repository_id, number, moment)


def _is_as_new(row: Row[Any], moment: datetime | None) -> bool:
    """Whether a Request is as new; GitHub's own moment decides, else ours, when we heard of it."""
    told = moment_of(row.text)
    if moment is None:
        return True
    return bool((told or row.created_at) >= moment - (SAME_BY_OUR_CLOCK if told is None else SAME_SECONDS))


async def _has_worked(session: AsyncSession, repository_id: int, number: int, since: datetime | None) -> bool:
    """Whether a session of the issue, or a task of one, began since that moment of GitHub's, or ever."""
    begun = (
        select(Session.id)
        .outerjoin(Task, Task.session_id == Session.id)
        .where(Session.repository_id == repository_id, Session.issue_number == number)
    )
    if since is not None:
        soonest = since - SAME_SECONDS
        begun = begun.where(or_(Session.created_at >= soonest, Task.created_at >= soonest))
    return await session.scalar(begun.limit(1)) is not None


async def heard_of(session: AsyncSession, installation_id: int) -> list[str]:
    """Return the repositories of an installation in which anything was asked for, by their newest names."""
    newest = (
        select(func.max(Request.id))
        .where(Request.installation_id == installation_id, Request.repository_id.is_not(None))
        .group_by(Request.repository_id)
    )
    return list(await session.scalars(select(Request.repository).where(Request.id.in_(newest))))


async def heard(session: AsyncSession, guids: Sequence[str]) -> set[str]:
    """Return those of the delivery ids that are stored."""
    return set(await session.scalars(select(Delivery.id).where(Delivery.id.in_(guids))))


def moment_of(text: Mapping[str, Any]) -> datetime | None:
    """Return the moment, by GitHub's clock, of the event that a Request's text tells of; None if unknown."""
    for name in ("submitted_at", "created_at", "updated_at"):
        value = text.get(name)
        if isinstance(value, str):
            try:
                told = datetime.fromisoformat(value)
            except ValueError:
                continue
            return told if told.tzinfo else told.replace(tzinfo=UTC)
    return None
