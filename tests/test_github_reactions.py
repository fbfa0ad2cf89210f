"""Hold that we show one reaction at a time and never fail a task for one."""

from typing import Any

import aiohttp
import pytest

from bot.github import reactions
from bot.github.reactions import Subject
from tests.github_stub import ALICE, BOT, Stub, Time, answer


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        (Subject("issue", 4), "/repos/o/r/issues/4/reactions"),
        (Subject("comment", 9), "/repos/o/r/issues/comments/9/reactions"),
        (Subject("review_comment", 9), "/repos/o/r/pulls/comments/9/reactions"),
    ],
)
async def test_new_reaction_replaces_our_old_one(subject: Subject, path: str) -> None:
    """After the rocket our eyes are gone; Alice's eyes and our heart stay."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        shown: list[dict[str, Any]] = [
            {"id": 1, "content": "eyes", "user": BOT},
            {"id": 2, "content": "eyes", "user": ALICE},
            {"id": 3, "content": "heart", "user": BOT},
            {"id": 4, "content": "rocket", "user": BOT},
        ]
        stub.on("POST", path, lambda *_: answer(shown[-1], 201))
        stub.says(path, shown)
        stub.on("DELETE", f"{path}/1", lambda *_: answer(None))
        stub.fail(
            "POST", path, applied=True
        )  # a lost answer: GitHub answers a repeated reaction with the same
        installation = stub.client(http).for_installation(5)
        assert await reactions.ensure_reaction(installation, "o/r", subject, reactions.DONE_WELL)
        assert [seen.path for seen in stub.asked("DELETE")] == [f"{path}/1"]
        assert stub.asked("POST", path)[-1].data == {"content": "rocket"}


async def test_refused_reaction_is_no_failure() -> None:
    """On a deleted comment there is nothing to react to, and the task goes on."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        installation = stub.client(http).for_installation(5)
        assert not await reactions.ensure_reaction(installation, "o/r", Subject("comment", 9), reactions.SEEN)
