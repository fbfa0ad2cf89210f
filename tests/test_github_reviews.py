"""Hold that each thread of a review gets one answer of ours, whoever repeats its marker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.github import reviews
from bot.github.client import Installation
from tests.github_stub import ALICE, APP_ID, BOT, Ledger, Stub, Time, answer

MARKER = "<!-- journeyman:answer v1 s=1 op=rr-1-9 -->"
BODY = f"{MARKER}\nDone in abc1234."
_THREADS = "/repos/o/r/pulls/5/comments"


@dataclass
class Threads:
    """The inline comments of one pull request."""

    stub: Stub
    installation: Installation
    kept: list[dict[str, Any]] = field(default_factory=list)

    def write(self, body: str, user: dict[str, Any], app: int | None = None) -> None:
        """Add a comment."""
        by = None if app is None else {"id": app}
        self.kept.append(
            {"id": 100 + len(self.kept), "body": body, "user": user, "performed_via_github_app": by}
        )

    def reply(self, _: web.Request, data: Any) -> web.Response:
        """Add a reply of the bot's."""
        self.write(data["body"], BOT, APP_ID)
        return answer(self.kept[-1], 201)

    async def ensure(self) -> None:
        """Answer the thread that begins with comment 9, as after a crash: nothing is remembered."""
        await reviews.ensure_reply(
            self.installation, "o/r", 5, 9, key="rr-1-9", marker=MARKER, body=BODY, ledger=Ledger()
        )


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        made = Threads(stub, stub.client(http).for_installation(5))
        stub.on("GET", _THREADS, lambda *_: answer(made.kept))
        stub.on("POST", f"{_THREADS}/9/replies", made.reply)
        yield made


async def test_a_reply_of_before_is_found_again(threads: Threads) -> None:
    """A reply whose posting was forgotten is known by its first line and its author."""
    await threads.ensure()
    await threads.ensure()
    assert [one["body"] for one in threads.kept] == [BODY]


@pytest.mark.parametrize(
    ("body", "user", "app"),
    [(BODY, ALICE, None), (f"Not changed.\n```\n{MARKER}\n```", BOT, APP_ID)],
    ids=["anothers", "quoted"],
)
async def test_a_marker_that_is_not_ours_or_is_quoted_is_no_answer(
    threads: Threads, body: str, user: dict[str, Any], app: int | None
) -> None:
    """The marker counts in the first line of our own replies alone, so the person is answered."""
    threads.write(body, user, app)
    await threads.ensure()
    assert [one["body"] for one in threads.kept] == [body, BODY]
