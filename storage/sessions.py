"""Open, find and end sessions: one issue in one repository, with what grows from it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage import clock
from storage.models import Session, Task
from storage.words import ENDED


async def open_for(
    session: AsyncSession,
    *,
    repository: str,
    repository_id: int | None,
    installation_id: int | None = None,
    issue_number: int | None = None,
    project_path: str | None = None,
) -> Session:
    """Open a session; the unique index refuses a second open one for the same issue (IntegrityError)."""
    moment = clock.now()
    row = Session(
        id=clock.new_id(),
        repository=repository,
        repository_id=repository_id,
        installation_id=installation_id,
        issue_number=issue_number,
        project_path=project_path,
        created_at=moment,
        updated_at=moment,
    )
    session.add(row)
    await session.flush()
    return row


async def find_open(session: AsyncSession, repository_id: int, issue_number: int) -> Session | None:
    """Return the issue's open session, if it has one."""
    query = select(Session).where(
        Session.repository_id == repository_id,
        Session.issue_number == issue_number,
        Session.ended_at.is_(None),
    )
    return (await session.scalars(query)).one_or_none()


async def of_thread(session: AsyncSession, repository_id: int, number: int) -> Session | None:
    """Return the session that an issue or pull request belongs to: the open one, else the newest."""
    query = (
        select(Session)
        .where(
            Session.repository_id == repository_id,
            or_(Session.issue_number == number, Session.pull_request == number),
        )
        .order_by(Session.ended_at.is_not(None), Session.created_at.desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def reopen(session: AsyncSession, session_id: str) -> None:
    """Let a session go on; the unique index refuses it while the issue has another (IntegrityError)."""
    await change(session, session_id, ended_at=None)


async def of_head(session: AsyncSession, repository_id: int, sha: str) -> Session | None:
    """Return the session whose latest push made that commit."""
    query = (
        select(Session)
        .join(Task, Task.session_id == Session.id)
        .where(Session.repository_id == repository_id, Task.head_sha == sha)
        .order_by(Task.created_at.desc())
        .limit(1)
    )
    return (await session.scalars(query)).first()


async def alive_in(
    session: AsyncSession, repository_ids: Collection[int], installation_id: int | None = None
) -> list[Session]:
    """Return the sessions of repositories, or of an installation, that are open or have a task at work."""
    query = select(Session).where(_is_alive())
    if installation_id is not None:
        query = query.where(Session.installation_id == installation_id)
    else:
        query = query.where(Session.repository_id.in_(repository_ids))
    return list(await session.scalars(query))


async def of_issue(session: AsyncSession, repository_id: int, issue_number: int) -> list[Session]:
    """Return the issue's sessions that are open or have a task at work."""
    query = select(Session).where(
        Session.repository_id == repository_id, Session.issue_number == issue_number, _is_alive()
    )
    return list(await session.scalars(query))


async def move(
    session: AsyncSession, repository_id: int, repository: str, installation_id: int | None
) -> None:
    """Go along with a repository that has another name, or another owner."""
    await session.execute(
        update(Session)
        .where(Session.repository_id == repository_id)
        .values(repository=repository, installation_id=installation_id, updated_at=clock.now())
    )


def _is_alive() -> ColumnElement[bool]:
    at_work = select(Task.id).where(Task.session_id == Session.id, Task.status.not_in(ENDED)).exists()
    return or_(Session.ended_at.is_(None), at_work)


async def earlier(session: AsyncSession, row: Session) -> int:
    """Count the issue's earlier sessions that have a branch; the suffix of this one's comes from it."""
    if row.issue_number is None:
        return 0
    query = select(func.count()).where(
        Session.repository_id == row.repository_id,
        Session.issue_number == row.issue_number,
        Session.created_at < row.created_at,
        Session.branch.is_not(None),
    )
    return int(await session.scalar(query) or 0)


async def get(session: AsyncSession, session_id: str) -> Session:
    """Return the session; raises NoResultFound for an unknown id."""
    return await session.get_one(Session, session_id)


async def change(session: AsyncSession, session_id: str, **values: Any) -> None:
    """Set columns of a session and its `updated_at`."""
    await session.execute(
        update(Session).where(Session.id == session_id).values(updated_at=clock.now(), **values)
    )


async def end(session: AsyncSession, session_id: str) -> None:
    """Close the session, so that the next label opens a new one."""
    await change(session, session_id, ended_at=clock.now())


async def hold(session: AsyncSession, session_id: str) -> Session | None:
    """Return the session with its row locked until the commit, None for an unknown id."""
    return await session.get(Session, session_id, with_for_update=True, populate_existing=True)
