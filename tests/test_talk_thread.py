"""What is known of a thread when someone speaks in it, and which installation its session goes along with."""

import pytest

from storage import requests, sessions
from storage.database import Database
from storage.words import RequestKind
from tests import records
from tests.talk_room import PULL, Room


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room."""
    return Room(sqlite)


async def test_a_session_goes_along_with_an_app_that_was_installed_anew(room: Room) -> None:
    """Whoever speaks in an old thread is answered in the name of the installation that there is now."""
    owner, _ = await room.done()
    await room.ask("gone", RequestKind.INSTALLATION, {"event": "installation.deleted"}, issue_number=None)
    text = {"event": "issue_comment.created", "comment_id": 1, "body": "@bot round it", "is_pull": True}
    where = {"repository": "acme/store", "installation_id": 99, "issue_number": PULL}
    await room.ask("comment:7:1", RequestKind.COMMENT, text, **where)
    begun = await room.work(await room.waiting())
    assert begun.session.id == owner.id
    assert (begun.session.installation_id, begun.session.repository) == (99, "acme/store")


async def test_another_repositorys_sessions_stay_where_they_are(room: Room) -> None:
    """The same number elsewhere is another thread."""
    elsewhere = await records.a_session(room.database, 42, repository_id=8, repository="acme/other")
    await room.done()
    text = {"event": "issue_comment.created", "comment_id": 1, "body": "/journeyman status"}
    async with room.database.transaction() as writing:
        ask = requests.Ask(
            "comment:7:1", RequestKind.COMMENT, "acme/shop", None, 7, 99, 42, 11, "maria", text
        )
        await requests.add(writing, [ask])
    await room.heard("comment:7:1")
    async with room.database.reading() as reading:
        assert (await sessions.get(reading, elsewhere.id)).installation_id == 3
