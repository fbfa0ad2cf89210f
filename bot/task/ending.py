"""End a task in exactly one way, and let what came too late for it begin the next one."""

from typing import Any

from bot.task import listening
from bot.task.work import Work
from storage import sessions, tasks
from storage.words import Reason, TaskState


async def end(work: Work, status: TaskState, reason: Reason | None = None, **values: Any) -> None:
    """Finish the task; in the same transaction unheard words become a follow-up.

    A session in which nothing was ever begun, because its person may not, is closed with it.
    """
    async with work.writing() as writing:
        await tasks.finish(writing, work.id, status, reason, **values)
        await listening.leave_to_next(writing, work.task, work.session)
        if reason is Reason.REFUSED and not work.task.started_at and not work.session.branch:
            await sessions.end(writing, work.session.id)
