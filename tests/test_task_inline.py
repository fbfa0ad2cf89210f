"""Each inline thread hears what is known of it: that it was followed only where Claude says so."""

from typing import Any

import pytest

from storage.database import Database
from storage.words import TaskKind
from tests.talk_room import HEAD, Room

ABOUT_5 = {"thread": 5, "done": True, "text": "It is a Decimal now."}
CHECK = "aaaaaaa is pushed, but I did not report on this thread; please check."
WHOLE = (
    "Done in aaaaaaa, for the review as a whole: As asked. "
    "I did not report on this thread by itself; please check."
)


@pytest.mark.parametrize(
    ("replies", "heard"),
    [
        ([ABOUT_5], ["Done in aaaaaaa. It is a Decimal now.", CHECK]),
        ([{**ABOUT_5, "thread": 99}], [CHECK, CHECK]),
        ([], [WHOLE, WHOLE]),
    ],
    ids=["of one of them", "of another one", "of none"],
)
async def test_a_thread_of_which_claude_said_nothing_is_not_said_to_be_done(
    sqlite: Database, replies: list[dict[str, Any]], heard: list[str]
) -> None:
    """That there are commits does not tell that they are about it."""
    room = Room(sqlite)
    review = {"author": "ann", "author_id": 12, "comments": [{"id": n, "root": n} for n in (5, 6)]}
    task = await room.at_work(
        await room.session(), kind=TaskKind.FOLLOW_UP, head_sha=HEAD,
        trigger={"origin": "review", "reviews": [review]},
        facts={"finish": {"summary": "As asked.", "replies": replies}},
    )  # fmt: skip
    await room.forge.answer(await room.work(task))
    assert [said.partition("\n")[2] for said in room.installation.said] == heard
