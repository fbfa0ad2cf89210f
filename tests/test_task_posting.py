"""Ten comments of ours without a word from a person are enough; what is there already is still kept true."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.errors import WorldFault
from bot.github.client import Installation
from bot.task.ledger import TableLedger
from bot.task.posting import MOST_POSTS, Posting
from bot.words import markers
from bot.words.redaction import Redactor
from storage import threads
from storage.database import Database
from tests.github_stub import APP_ID as APP
from tests.github_stub import BOT, Stub, Time, answer, stamp

REPO = "acme/shop"


@dataclass
class Wall:
    """The comments of a repository's issues, as GitHub has them, and our way to them."""

    stub: Stub
    installation: Installation
    database: Database
    posting: Posting
    said: dict[int, list[str]] = field(default_factory=dict)
    kept: dict[int, dict[str, Any]] = field(default_factory=dict)

    def thread(self, number: int) -> None:
        """Let an issue be written to."""
        self.said[number] = []
        place = f"/repos/{REPO}/issues/{number}/comments"
        self.stub.on("POST", place, lambda _, data: self._post(number, data))
        self.stub.on("GET", place, lambda *_: answer([self.kept[one] for one in self._of(number)]))

    def _of(self, number: int) -> list[int]:
        return [one for one, comment in self.kept.items() if comment["on"] == number]

    def _post(self, number: int, data: Any) -> web.Response:
        made = 100 + len(self.kept)
        self.kept[made] = {
            "id": made, "body": data["body"], "user": BOT, "on": number,
            "created_at": stamp(self.stub.now), "updated_at": stamp(self.stub.now),
            "html_url": f"https://h/{made}", "performed_via_github_app": {"id": APP},
        }  # fmt: skip
        self.said[number].append(data["body"])
        one = f"/repos/{REPO}/issues/comments/{made}"
        self.stub.on("GET", one, lambda *_: answer(self.kept[made]))
        self.stub.on("PATCH", one, lambda _, data: self._edit(made, data))
        return answer(self.kept[made], 201)

    def _edit(self, made: int, data: Any) -> web.Response:
        self.kept[made]["body"] = data["body"]
        return answer(self.kept[made])

    async def ensure(
        self, op: str, words: str = "Hello.", number: int = 1, kind: str = "answer"
    ) -> int | None:
        """Have one comment say something."""
        body = f"{markers.marker(kind, 's', op)}\n{words}"
        return await self.posting.ensure(
            self.installation, REPO, 7, number, kind=kind, session="s", op=op, body=body
        )

    async def fill(self, count: int = MOST_POSTS, number: int = 1) -> None:
        """Write so many comments."""
        for place in range(count):
            assert await self.ensure(f"{number}-{place}", number=number) is not None

    async def posts(self, number: int = 1) -> int:
        """Return how many of ours are counted."""
        async with self.database.reading() as session:
            return await threads.posts(session, 7, number)


@pytest.fixture
async def wall(sqlite: Database) -> AsyncIterator[Wall]:
    """Give a wall with two issues."""
    async with aiohttp.ClientSession() as http, Stub(Time()) as stub:
        github = stub.client(http)
        posting = Posting(sqlite, TableLedger(sqlite), Redactor())
        made = Wall(stub, github.for_installation(3), sqlite, posting)
        made.thread(1)
        made.thread(2)
        yield made
        await github.close()


async def test_the_eleventh_is_replaced_by_saying_so(wall: Wall) -> None:
    """Once; what would come after it is not said at all, and nothing is asked of GitHub for it."""
    await wall.fill()
    assert await wall.ensure("one too many") is None
    assert len(wall.said[1]) == MOST_POSTS + 1
    assert "I say nothing more until" in wall.said[1][-1]
    asked = len(wall.stub.seen)
    assert await wall.ensure("another") is None
    assert await wall.ensure("one too many") is None
    assert (len(wall.said[1]), len(wall.stub.seen)) == (MOST_POSTS + 1, asked)


async def test_another_thread_may_still_be_written_to(wall: Wall) -> None:
    """Each thread has its own ten."""
    await wall.fill()
    await wall.ensure("too many")
    await wall.fill(number=2)
    assert [len(wall.said[number]) for number in (1, 2)] == [MOST_POSTS + 1, MOST_POSTS]


async def test_a_word_from_a_person_opens_the_thread_again(wall: Wall) -> None:
    """What was withheld can then be said, and the next silence is announced anew."""
    await wall.fill()
    await wall.ensure("late")
    async with wall.database.transaction() as session:
        await threads.heard(session, 7, 1)
    assert await wall.ensure("late") is not None
    assert "Hello." in wall.said[1][-1]
    for place in range(MOST_POSTS - 1):
        await wall.ensure(f"again {place}")
    assert await wall.ensure("too many again") is None
    assert ["I say nothing more" in said for said in wall.said[1]].count(True) == 2


async def test_edits_go_on_in_a_quiet_thread(wall: Wall) -> None:
    """They mail nobody, count for nothing, and the status stays true."""
    first = await wall.ensure("status", "Working")
    await wall.fill(MOST_POSTS - 1)
    await wall.ensure("too many")
    for words in ("Still working", "Done"):
        assert await wall.ensure("status", words) == first
    assert "Done" in wall.kept[first or 0]["body"]
    assert await wall.posts() == MOST_POSTS + 1


async def test_saying_the_same_again_counts_once(wall: Wall) -> None:
    """However often a restart repeats it."""
    assert len({await wall.ensure("same") for _ in range(20)}) == 1
    assert (len(wall.said[1]), await wall.posts()) == (1, 1)


async def test_what_could_not_be_posted_is_not_counted(wall: Wall) -> None:
    """A failure of the world uses nothing up; the next try posts it, once."""
    wall.stub.fail("POST", "/comments", times=20, answer=lambda: web.Response(status=502))
    with pytest.raises(WorldFault):
        await wall.ensure("late")
    assert await wall.posts() == 0
    wall.stub.faults.clear()
    assert await wall.ensure("late") is not None
    assert (len(wall.said[1]), await wall.posts()) == (1, 1)


async def test_a_crash_while_saying_that_we_go_quiet_says_it_once(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the comment and its count, the same thing is repeated, and found."""
    await wall.fill()

    async def die(*_: object) -> int:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(threads, "posted", die)
        with pytest.raises(SystemExit):
            await wall.ensure("too many")
    assert await wall.ensure("too many") is None
    assert await wall.ensure("another") is None
    assert ["I say nothing more" in said for said in wall.said[1]].count(True) == 1


def _announced(wall: Wall) -> int:
    return ["I say nothing more" in said for said in wall.said[1]].count(True)


async def test_the_conversation_itself_uses_nothing_up(wall: Wall) -> None:
    """Its pages are neither counted nor withheld, however many there are."""
    for page in range(MOST_POSTS + 2):
        assert await wall.ensure(f"log-{page}", kind="log") is not None
    assert await wall.posts() == 0
    await wall.fill()
    await wall.ensure("too many")
    assert await wall.ensure("log-more", kind="log") is not None
    assert _announced(wall) == 1


async def test_how_it_ended_is_always_said(wall: Wall) -> None:
    """Even in a full thread, before and after the silence is announced; it counts like any other."""
    assert await wall.ensure("fin-1", kind="final") is not None
    assert await wall.posts() == 1
    await wall.fill(MOST_POSTS - 1)
    assert await wall.ensure("fin-2", kind="final") is not None
    assert (await wall.posts(), _announced(wall)) == (MOST_POSTS + 1, 0)
    assert await wall.ensure("too many") is None
    assert await wall.ensure("fin-3", kind="final") is not None
    assert await wall.ensure("too many still") is None
    assert _announced(wall) == 1


async def test_two_that_post_at_once_announce_one_silence(wall: Wall) -> None:
    """Whichever of the tasks in a thread comes first says it, and the others say nothing."""
    await wall.fill()
    assert await asyncio.gather(*(wall.ensure(f"late {number}") for number in range(5))) == [None] * 5
    assert len(wall.said[1]) == MOST_POSTS + 1
    assert _announced(wall) == 1


async def test_a_silence_that_could_not_be_announced_is_announced_later(wall: Wall) -> None:
    """A failure of the world is told to the caller, whose next try says it once."""
    await wall.fill()
    wall.stub.fail("POST", "/comments", times=20, answer=lambda: web.Response(status=502))
    with pytest.raises(WorldFault):
        await wall.ensure("too many")
    wall.stub.faults.clear()
    assert await wall.ensure("too many") is None
    assert await wall.ensure("too many") is None
    assert _announced(wall) == 1
