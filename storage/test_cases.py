"""Keep each test's outcome on the base commit and on the result."""

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.models import TestCase
from storage.words import TestType


async def replace(
    session: AsyncSession, task_id: str, test_type: TestType, rows: list[dict[str, Any]]
) -> None:
    """Store these as the task's tests of that type; what an earlier proof stored goes."""
    await session.execute(
        delete(TestCase).where(TestCase.task_id == task_id, TestCase.test_type == test_type)
    )
    session.add_all(TestCase(task_id=task_id, test_type=test_type, **row) for row in rows)
    await session.flush()


async def of_task(session: AsyncSession, task_id: str, test_type: TestType | None = None) -> list[TestCase]:
    """Return the task's tests, generated ones first, by name."""
    query = select(TestCase).where(TestCase.task_id == task_id).order_by(TestCase.test_type, TestCase.id)
    if test_type is not None:
        query = query.where(TestCase.test_type == test_type)
    return list(await session.scalars(query))
