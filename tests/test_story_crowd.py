"""Many people speak at once: everyone is heard, and GitHub's content limits hold."""

import asyncio
import time
from pathlib import Path
from typing import Any

from demo.github.issue import Issue
from tests import people, shop, story
from tests.story import Story

LIMIT = (
    80  # content-creating requests of an installation in a minute (GitHub, "Rate limits for the REST API")
)
WORDS = (
    "/journeyman help",
    "/journeyman stpo",
    "@journeyman-demo hello?",
    "/journeyman status",
    "/journeyman",
)


async def test_a_flood_of_comments_loses_none_and_keeps_the_limits(tmp_path: Path) -> None:
    """Of 500 comments in 25 threads all are kept; what can't be answered within the limits waits."""
    async with story.telling(tmp_path, [people.SLEEPING]) as told:
        elsewhere = await story.labelled(
            told, await told.world.seed_repository("other/shop", shop.FILES), "A", "b"
        )
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        told.world.add_collaborator("maria", "maintain")
        at_work = await story.labelled(told, repo, "A", "b")

        async def begun() -> bool:
            return len(told.rows("SELECT 1 FROM tasks WHERE steps = 1")) == 2

        await told.until(begun)
        threads = [await told.world.open_issue(repo, "maria", f"Issue {n}", "See.") for n in range(25)]
        began = time.monotonic()
        for number in range(500):
            body = f"{WORDS[number % len(WORDS)]} {'please' if number % 2 else ''}"
            await told.world.comment(threads[number % 25], f"user{number % 60}", body)
        await told.world.delivered()

        async def kept() -> bool:
            return len(told.rows("SELECT 1 FROM requests WHERE kind = 'comment'")) == 500

        await told.until(kept, 30)
        written: list[Any] = []
        while not written or time.monotonic() - began < 10:
            await asyncio.sleep(0.5)  # the time itself is the condition: a window of the limit goes by
            written = [
                one
                for one in told.world.mutations()
                if one.method in {"POST", "PATCH", "PUT"} and "/repos/acme/" in one.path
            ]
            assert len(written) <= LIMIT
        await _stops(told, at_work, elsewhere)
        waiting = told.rows("SELECT 1 FROM requests WHERE kind = 'comment' AND answered_at IS NULL AND "
                            "(dispatched_at IS NULL OR answer IS NOT NULL)")  # fmt: skip
        assert len(written) > LIMIT / 2
        assert waiting
        people.sound(told)


async def _stops(told: Story, *issues: Issue) -> None:
    """Hold that a person can stop work within ten seconds all the same, in the flood and elsewhere."""
    for issue in reversed(issues):
        await told.world.comment(issue, "maria", "/journeyman stop")

    async def ends() -> bool:
        return not told.rows("SELECT 1 FROM tasks WHERE cancel_wanted IS NULL")

    await told.until(ends, 10)
