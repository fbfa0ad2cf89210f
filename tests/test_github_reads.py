"""Hold what a task learns of an issue and its repository, and how much of it."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.github import faults, reads
from tests.github_stub import ALICE, BOT, START, Stub, Time, answer, stamp

_COMMENTS = "/repos/o/r/issues/4/comments"
_FILE = "/repos/o/r/contents/.github/journeyman.yml"


def _comment(number: int, user: Any = ALICE, at: float = START) -> dict[str, Any]:
    return {
        "id": number,
        "user": user,
        "body": f"c{number}",
        "html_url": f"https://h/{number}",
        "created_at": stamp(at + number),
        "updated_at": stamp(at + number),
    }


async def test_issue_is_read_with_its_gaps() -> None:
    """A missing body and a deleted author have their values; labels come as names."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        data: dict[str, Any] = {"id": 8, "number": 4, "title": "T", "body": None, "state": "open",
                "locked": True,
                "labels": [{"name": "journeyman"}, "old"], "user": None, "html_url": "https://h/4",
                "created_at": stamp(START), "updated_at": stamp(START)}  # fmt: skip
        stub.says("/repos/o/r/issues/4", data)
        issue = await reads.issue(stub.client(http).for_installation(5), "o/r", 4)
        assert (issue.body, issue.author.login, issue.locked) == ("", "ghost", True)
        assert issue.labels == ("journeyman", "old")
        assert issue.created_at == datetime.fromtimestamp(START, UTC)
        assert not issue.is_pull_request


async def test_comments_stop_at_the_trigger_and_know_ours() -> None:
    """What was written after the trigger is not read; our own comments are marked."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says(_COMMENTS, [_comment(2), _comment(1, BOT), _comment(30)])
        until = datetime.fromtimestamp(START, UTC) + timedelta(seconds=10)
        found = await reads.comments(stub.client(http).for_installation(5), "o/r", 4, until=until)
        assert [(c.id, c.ours) for c in found.shown] == [(1, True), (2, False)]
        assert found.omitted == 0


async def test_comments_are_bounded_and_not_repeated() -> None:
    """Pages that shift repeat a comment once only; the newest stay, of the rest the number is told."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:

        def page(request: web.Request, _: object) -> web.Response:
            number = int(request.query.get("page", "1"))
            start = (number - 1) * 95
            following = f'<{stub.url}{_COMMENTS}?page={number + 1}>; rel="next"'
            link = {"Link": following} if number < 25 else {}
            return answer([_comment(n) for n in range(start + 1, start + 101)], headers=link)

        stub.on("GET", _COMMENTS, page)
        installation = stub.client(http).for_installation(5)
        found = await reads.comments(installation, "o/r", 4, most=200)
        total = 24 * 95 + 100
        assert [c.id for c in found.shown] == list(range(total - 199, total + 1))
        assert found.omitted == total - 200
        assert len(stub.asked("GET", _COMMENTS)) == 25


async def test_repository_is_read_by_name_and_by_id() -> None:
    """A renamed repository is found again by its id, under its present name (case 18)."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        data = {"id": 9, "full_name": "o/new", "default_branch": "trunk", "private": True, "archived": True,
                "html_url": "https://h/o/new"}  # fmt: skip
        stub.says("/repositories/9", data)
        stub.says("/repos/o/r", {}, 301, Location="/api/v3/repositories/9")
        installation = stub.client(http).for_installation(5)
        by_name = await reads.repository(installation, "o/r")
        assert by_name == await reads.repository_by_id(installation, 9)
        assert (by_name.full_name, by_name.default_branch, by_name.archived) == ("o/new", "trunk", True)


async def test_configuration_is_the_default_branchs() -> None:
    """The file is read at the branch given; none is None."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        installation = stub.client(http).for_installation(5)
        assert await reads.configuration(installation, "o/r", "main") is None
        content = base64.encodebytes("label: ü\n".encode()).decode()
        stub.says(_FILE, {"type": "file", "encoding": "base64", "content": content})
        assert await reads.configuration(installation, "o/r", "main") == "label: ü\n"
        assert stub.asked("GET", _FILE)[-1].query == {"ref": "main"}


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"type": "symlink"},
        {"type": "file", "encoding": "none", "content": ""},
        {"type": "file", "encoding": "base64", "content": base64.b64encode(b"\xff\xfe").decode()},
    ],
)
async def test_configuration_that_is_no_text_is_refused(data: Any) -> None:
    """A folder, a link, an over-large or a binary file is an error that names the file."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says(_FILE, data)
        with pytest.raises(faults.Invalid, match=r"journeyman\.yml"):
            await reads.configuration(stub.client(http).for_installation(5), "o/r", "main")


async def test_of_comments_in_any_order_the_newest_stay() -> None:
    """It is the moment of writing that counts, up to the trigger's; none may be wanted at all."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says(_COMMENTS, [_comment(number) for number in (5, 1, 4, 2, 3, 30)])
        installation = stub.client(http).for_installation(5)
        until = datetime.fromtimestamp(START, UTC) + timedelta(seconds=10)
        for most, shown in ((2, [4, 5]), (0, []), (9, [1, 2, 3, 4, 5])):
            found = await reads.comments(installation, "o/r", 4, until=until, most=most)
            assert ([c.id for c in found.shown], found.omitted) == (shown, 5 - len(shown))


@pytest.mark.parametrize(
    ("told", "moment"),
    [
        ("2023-11-14T22:13:20Z", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        (None, None),
        (10**30, None),
    ],
)
def test_a_moment_that_need_not_be_told(told: Any, moment: datetime | None) -> None:
    """Webhooks word it as a number; what is told in no known way is as good as untold."""
    assert reads.moment(told) == moment
