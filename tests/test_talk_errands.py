"""What the tasks carry that a person's word begins."""

import pytest
from sqlalchemy import func, select

from storage.database import Database
from storage.models import Session
from tests.talk_room import Room


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room."""
    return Room(sqlite)


async def test_one_comment_may_begin_several_tasks(room: Room) -> None:
    """Run, stop, run, stop, run: each run has a session, the first the Request, and the thread goes on."""
    body = "\n\n".join(f"/journeyman {word}" for word in ("run", "stop", "run", "stop", "run"))
    said = await room.comment(1, body)
    begun = await room.tasks()
    async with room.database.reading() as reading:
        assert await reading.scalar(select(func.count()).select_from(Session)) == 3
    assert [task.request_id for task in begun] == [said.id, None, None]
    assert [task.cancel_wanted is None for task in begun] == [False, False, True]
    assert (await room.comment(2, "/journeyman stop")).outcome == "stopping"
    assert all(task.cancel_wanted for task in await room.tasks())
