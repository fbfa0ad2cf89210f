"""Show sessions on the terminal."""

import contextlib
import sys

from sqlalchemy import select

from bot.settings import Settings
from storage import charges, schema, tasks
from storage import database as databases
from storage.models import Session

MOST = 50


async def show(settings: Settings, session_id: str | None) -> bool:
    """Print the newest sessions, or one with its tasks; False when there is none of that id."""
    url = settings.database_url or databases.default_url(settings.data_dir)
    async with contextlib.aclosing(databases.connect(url)) as database:
        await schema.verify(database)
        async with database.reading() as reading:
            query = select(Session).order_by(Session.created_at.desc()).limit(MOST)
            if session_id is not None:
                query = query.where(Session.id == session_id)
            found = list(await reading.scalars(query))
            if not found:
                sys.stdout.write("no sessions\n" if session_id is None else f"no session {session_id}\n")
                return session_id is None
            for one in found:
                sys.stdout.write(_line(one) + "\n")
                for task in await tasks.of_session(reading, one.id) if session_id else ():
                    cost = await charges.spent_by_task(reading, task.id)
                    why = f" ({task.reason}: {task.error_message})" if task.reason else ""
                    sys.stdout.write(
                        f"  task {task.id}  {task.kind}  {task.status}{why}  "
                        f"{task.steps} steps  ${cost:.2f}  {task.progress}\n"
                    )
    return True


def _line(one: Session) -> str:
    about = f"{one.repository}#{one.issue_number}" if one.issue_number is not None else one.project_path
    pull = f"  pull request #{one.pull_request}" if one.pull_request else ""
    return f"{one.id}  {one.created_at:%Y-%m-%d %H:%M}  {about}  {one.branch or '-'}{pull}"
