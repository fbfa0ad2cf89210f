"""A person is told what came of it: once where once is enough, and surely, whatever fails on the way."""

import pytest

from bot.github import faults, reactions
from bot.github.permissions import Role
from bot.github.reactions import DONE_WELL, SEEN, Subject
from storage.database import Database
from storage.models import Request
from tests.talk_room import Room

NONSENSE = "/journeyman stpo"


@pytest.fixture
def room(sqlite: Database) -> Room:
    """Enter a room that an outsider visits, too."""
    made = Room(sqlite)
    made.permissions.roles |= {"mallory": Role.READ, "oscar": Role.READ, "tom": Role.TRIAGE}
    return made


def _told(request: Request) -> bool:
    return request.answered_at is not None


async def test_a_refusal_that_could_not_be_posted_is_said_at_the_next_try(room: Room) -> None:
    """That it was begun is not that it was said."""
    room.installation.faults = [faults.RateLimited("too fast", 1.0)]
    assert not _told(await room.comment(1, "/journeyman run", "mallory"))
    assert room.installation.said == []
    assert _told(await room.heard("comment:7:1"))
    (said,) = room.installation.said
    assert "**write**" in said
    assert "**read**" in said


async def test_an_answer_to_an_outsider_that_could_not_be_posted_is_said_at_the_next_try(room: Room) -> None:
    """A failure of the world uses nothing up."""
    room.installation.faults = [faults.RateLimited("too fast", 1.0)]
    assert not _told(await room.comment(1, NONSENSE, "mallory"))
    assert _told(await room.heard("comment:7:1"))
    assert len(room.installation.said) == 1


async def test_a_refusal_is_said_once_per_person_and_thread(room: Room) -> None:
    """From then on 👎 is enough; another person, and another thread, are told on their own."""
    await room.done()
    for number, body in enumerate(("/journeyman run", "/journeyman retry", "/journeyman stop"), 1):
        assert _told(await room.comment(number, body, "mallory"))
    assert len(room.installation.said) == 1
    assert room.installation.reactions == {("comment", number): "-1" for number in (1, 2, 3)}
    await room.comment(4, "/journeyman run", "oscar")
    await room.comment(5, "/journeyman retry", "mallory", pull=True)
    assert len(room.installation.said) == 3
    places = [comment["on"] for comment in room.installation.comments.values()]
    assert places == [42, 42, 57]


async def test_an_outsiders_nonsense_is_answered_once_in_a_thread(room: Room) -> None:
    """They get a reaction each time; nobody can make us flood a thread."""
    for number in range(1, 5):
        assert _told(await room.comment(number, NONSENSE, "mallory"))
    assert room.installation.reactions == {("comment", number): "confused" for number in range(1, 5)}
    (said,) = room.installation.said
    assert "Unknown command `stpo`" in said
    await room.comment(5, NONSENSE, "oscar")
    await room.comment(6, NONSENSE, "mallory", pull=True)
    assert len(room.installation.said) == 3


async def test_a_maintainers_nonsense_is_answered_each_time(room: Room) -> None:
    """A typo of theirs is not to go unseen."""
    for number in range(1, 4):
        await room.comment(number, NONSENSE)
    assert len(room.installation.said) == 3


async def test_help_names_the_roles_that_hold_here(room: Room) -> None:
    """A repository may ask for others than the defaults."""
    await room.configure(allow={"run": "admin", "steer": "write"})
    await room.comment(1, "/journeyman help")
    (said,) = room.installation.said
    assert "| `/journeyman run` | admin role |" in said
    assert "| `/journeyman test` | write role |" in said


async def test_eyes_that_come_late_do_not_hide_how_it_ended(room: Room) -> None:
    """In a flood the sign that it was seen may be told when the work is done already."""
    room.installation.content.is_full = True
    await room.done()
    await reactions.ensure_reaction(room.installation, "acme/shop", Subject("comment", 1), DONE_WELL)
    for number in (1, 2):
        await room.comment(number, "@bot round up", pull=True)
    assert room.installation.reactions == {("comment", 1): DONE_WELL, ("comment", 2): SEEN}
