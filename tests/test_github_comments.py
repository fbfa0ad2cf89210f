"""Hold that a comment of ours exists once, is edited in place, and is never posted on a failed read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.github import comments, faults, publish
from bot.github.client import Installation
from tests.github_stub import ALICE, APP_ID, BOT, START, Ledger, Stub, Time, answer, stamp

MARKER = "<!-- journeyman:status v1 s=1 -->"
BODY = f"{MARKER}\nWorking"
_LIST = "/repos/o/r/issues/4/comments"
_ONE = "/repos/o/r/issues/comments"


@dataclass
class Thread:
    """One issue's comments; `late` seconds pass before a new one is shown in reads."""

    stub: Stub
    installation: Installation
    late: float = 0.0
    kept: dict[int, dict[str, Any]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)

    def write(self, body: str, user: dict[str, Any], app: int | None = None) -> dict[str, Any]:
        """Add a comment and its own address."""
        number = 100 + len(self.kept)
        comment = {"id": number, "body": body, "user": user, "shown_at": self.stub.now + self.late,
                   "created_at": stamp(self.stub.now), "updated_at": stamp(self.stub.now),
                   "html_url": f"https://h/{number}",
                   "performed_via_github_app": None if app is None else {"id": app}}  # fmt: skip
        self.kept[number] = comment
        self.stub.on("GET", f"{_ONE}/{number}", lambda *_: self._show(number))
        self.stub.on("PATCH", f"{_ONE}/{number}", lambda _, data: self._edit(number, data))
        return comment

    def post(self, _: web.Request, data: Any) -> web.Response:
        """Add a comment of the bot's."""
        return answer(self.write(data["body"], BOT, APP_ID), 201)

    def page(self, request: web.Request, _: object) -> web.Response:
        """List a page of what is shown by now."""
        size, page = int(request.query["per_page"]), int(request.query.get("page", "1"))
        shown = [comment for comment in self.kept.values() if comment["shown_at"] <= self.stub.now]
        following = f'<{self.stub.url}{_LIST}?per_page={size}&page={page + 1}>; rel="next"'
        link = {"Link": following} if len(shown) > page * size else {}
        return answer(shown[(page - 1) * size : page * size], headers=link)

    def _show(self, number: int) -> web.Response:
        comment = self.kept.get(number)
        if comment is None or comment["shown_at"] > self.stub.now:
            return answer({"message": "Not Found"}, 404)
        return answer(comment)

    def _edit(self, number: int, data: Any) -> web.Response:
        if number not in self.kept:
            return answer({"message": "Not Found"}, 404)
        self.kept[number]["body"] = data["body"]
        return answer(self.kept[number])

    async def ensure(self, body: str = BODY, **more: Any) -> int | None:
        """Say something in the status comment."""
        return await comments.ensure_comment(
            self.installation, "o/r", 4, key="status:1", marker=MARKER, body=body, ledger=self.ledger, **more
        )

    def ours(self) -> list[str]:
        """Return what our comments say."""
        return [comment["body"] for comment in self.kept.values() if comment["user"] is BOT]


@pytest.fixture
async def thread() -> AsyncIterator[Thread]:
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        made = Thread(stub, stub.client(http).for_installation(5))
        stub.on("GET", _LIST, made.page)
        stub.on("POST", _LIST, made.post)
        yield made


async def test_comment_is_made_once_and_then_edited(thread: Thread) -> None:
    """The second word changes the first comment; the same word again writes nothing."""
    first = await thread.ensure()
    again = await thread.ensure(f"{MARKER}\nDone")
    assert first == again
    assert thread.ours() == [f"{MARKER}\nDone"]
    await thread.ensure(f"{MARKER}\r\nDone\n")
    assert len(thread.stub.asked("PATCH")) == 1


@pytest.mark.parametrize("lost", ["broken", "502"])
async def test_lost_answer_is_looked_for_and_adopted(thread: Thread, lost: str) -> None:
    """GitHub makes the comment and the answer is lost: there is one comment (case 13)."""
    broken = None if lost == "broken" else lambda: web.Response(status=502, text="<html>")
    thread.stub.fail("POST", _LIST, answer=broken, applied=True)
    number = await thread.ensure()
    assert list(thread.kept) == [number]
    assert len(thread.stub.asked("POST", _LIST)) == 1


async def test_lost_answer_with_late_reads_is_still_adopted(thread: Thread) -> None:
    """GitHub shows the new comment ten seconds late: we look again before posting again (cases 13 and 16)."""
    thread.late = 10.0
    thread.stub.fail("POST", _LIST, applied=True)
    await thread.ensure()
    assert thread.ours() == [BODY]
    assert thread.stub.time.slept == [1.0, 2.0, 4.0, 8.0]


async def test_request_that_never_worked_is_made_again_after_looking(thread: Thread) -> None:
    """A POST that did nothing is repeated only after 15 seconds of looking."""
    thread.stub.fail("POST", _LIST)
    await thread.ensure()
    assert thread.ours() == [BODY]
    assert sum(thread.stub.time.slept) == 15.0


async def test_three_lost_answers_are_reported(thread: Thread) -> None:
    """A GitHub that swallows every POST ends in a fault of the world, not in a loop."""
    thread.stub.fail("POST", _LIST, times=99)
    with pytest.raises(faults.Uncertain):
        await thread.ensure()
    assert len(thread.stub.asked("POST", _LIST)) == 3


async def test_crash_after_the_post_is_healed_by_marker_and_author(thread: Thread) -> None:
    """Killed between GitHub's answer and our commit, the next run adopts ours, not a quoted marker."""
    thread.write(f"> {BODY}", ALICE)
    thread.write(BODY, {"id": 71, "login": "other[bot]", "type": "Bot"}, app=8)
    mine = thread.write(BODY, BOT, APP_ID)
    await thread.ledger.begin("status:1", "comment", None)
    assert await thread.ensure(f"{MARKER}\nDone") == mine["id"]
    assert thread.ours() == [f"{MARKER}\nDone"]
    assert thread.stub.asked("POST", _LIST) == []


@pytest.mark.parametrize("body", [f"Our log repeats\n```\n{MARKER}\n```", f"words\n{MARKER}"])
async def test_own_comment_that_quotes_the_marker_is_another_one(thread: Thread, body: str) -> None:
    """The log repeats what people write, markers included: such a page is never adopted for the last word."""
    page = thread.write(body, BOT, APP_ID)
    made = await thread.ensure()
    assert made != page["id"]
    assert thread.ours() == [body, BODY]


async def test_crash_just_after_the_post_is_healed_though_github_is_late(thread: Thread) -> None:
    """Restarted within seconds, we look until GitHub shows what was posted before the crash (case 16)."""
    thread.late = 5.0
    mine = thread.write(BODY, BOT, APP_ID)
    await thread.ledger.begin("status:1", "comment", None)
    assert await thread.ensure() == mine["id"]
    assert thread.stub.asked("POST", _LIST) == []


async def test_lost_database_adopts_too(thread: Thread) -> None:
    """With an empty ledger (a restored backup) the comment of before is found again, without waiting."""
    mine = thread.write(BODY, BOT, APP_ID)
    assert await thread.ensure() == mine["id"]
    assert thread.stub.time.slept == []


@pytest.mark.parametrize("status", [403, 500, 502, None])
async def test_failed_list_never_means_absent(thread: Thread, status: int | None) -> None:
    """While the list cannot be read nothing is posted, though posting would work (case 14)."""
    words = {"message": "You have exceeded a secondary rate limit"}
    broken = None if status is None else lambda: answer(words, status)
    thread.stub.fail("GET", _LIST, times=99, answer=broken)
    for _ in range(2):
        with pytest.raises((faults.Unavailable, faults.RateLimited)):
            await thread.ensure()
    assert thread.stub.asked("POST", _LIST) == []
    thread.stub.faults.clear()
    thread.stub.time.now += 3600
    await thread.ensure()
    assert thread.ours() == [BODY]


async def test_missing_issue_is_not_an_empty_list(thread: Thread) -> None:
    """A 404 on the list is a refusal of the whole issue, not a place without comments."""
    thread.stub.fail("GET", _LIST, times=9, answer=lambda: answer({"message": "Not Found"}, 404))
    with pytest.raises(faults.NotFound):
        await thread.ensure()
    assert thread.stub.asked("POST", _LIST) == []


async def test_stored_id_is_used_before_any_list(thread: Thread) -> None:
    """Once the id is known, a broken list does not matter (case 14)."""
    await thread.ensure()
    thread.stub.fail("GET", _LIST, times=99)
    await thread.ensure(f"{MARKER}\nDone")
    assert thread.ours() == [f"{MARKER}\nDone"]


async def test_comment_just_made_and_not_yet_shown_is_not_deleted(thread: Thread) -> None:
    """A 404 for some seconds after the POST is GitHub being late: one comment, edited (case 16)."""
    thread.late = 5.0
    await thread.ensure()
    await thread.ensure(f"{MARKER}\nDone")
    assert thread.ours() == [f"{MARKER}\nDone"]
    assert len(thread.stub.asked("POST", _LIST)) == 1


async def test_deleted_comment_is_replaced_once_then_respected(thread: Thread) -> None:
    """A person who deletes our comment twice is not answered a third time (case 40)."""
    first = await thread.ensure()
    assert first is not None
    thread.kept[first]["shown_at"] = float("inf")  # deleted: no read shows it
    second = await thread.ensure(f"{MARKER}\nB")
    assert second is not None
    assert second != first
    assert await thread.ensure(f"{MARKER}\nC") == second
    assert thread.kept[second]["body"] == f"{MARKER}\nC"
    thread.kept[second]["shown_at"] = float("inf")
    assert await thread.ensure(f"{MARKER}\nD") is None
    slept = sum(thread.stub.time.slept)
    assert await thread.ensure(f"{MARKER}\nE") is None
    assert sum(thread.stub.time.slept) == slept
    assert len(thread.stub.asked("POST", _LIST)) == 2


async def test_own_comment_on_page_seventeen_is_found(thread: Thread) -> None:
    """In 2,500 comments ours is found in at most 25 requests (case 17)."""
    for _ in range(1650):
        thread.write("words", ALICE)
    mine = thread.write(BODY, BOT, APP_ID)
    for _ in range(849):
        thread.write("words", ALICE)
    assert await thread.ensure() == mine["id"]
    assert len(thread.stub.asked("GET", _LIST)) == 17


async def test_search_is_bounded_by_the_start_of_the_task(thread: Thread) -> None:
    """`since` reaches GitHub with a margin for clocks that differ."""
    await thread.ensure(since=datetime.fromtimestamp(START, UTC))
    assert thread.stub.asked("GET", _LIST)[0].query["since"] == stamp(START - 900)


async def test_locked_conversation_blocks(thread: Thread) -> None:
    """A locked issue is a blocked task with the fix in its sentence (case 18)."""
    words = {"message": "Unable to create comment because issue is locked."}
    thread.stub.fail("POST", _LIST, answer=lambda: answer(words, 403))
    with pytest.raises(faults.Locked, match="Unlock"):
        await thread.ensure()


@pytest.mark.parametrize("body", ["x" * publish.MOST_BYTES + MARKER, "no marker", f"below\n{MARKER}"])
async def test_unfit_body_is_our_fault(thread: Thread, body: str) -> None:
    """A body too long or without its marker never reaches GitHub (case 38)."""
    with pytest.raises(ValueError, match=r"bytes|marker"):
        await thread.ensure(body)
    assert thread.stub.seen == []


async def test_text_that_github_did_not_keep_is_logged(
    thread: Thread, capsys: pytest.CaptureFixture[str]
) -> None:
    """An edit answered with 200 and the old text is noticed."""
    number = await thread.ensure()
    thread.stub.on("PATCH", f"{_ONE}/{number}", lambda *_: answer({"id": number, "body": "old"}))
    await thread.ensure(f"{MARKER}\nDone")
    assert "effect.differs" in capsys.readouterr().out
