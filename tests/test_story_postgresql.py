"""The same journeys on PostgreSQL: the storage and the engine are another database, the story is the same."""

import asyncio
import sys
from pathlib import Path

from demo.claude.script import Play, Turn
from tests import people, shop, story


async def test_a_label_becomes_a_pull_request_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    """Receiver and worker share a PostgreSQL database, for our tables and for the engine's."""
    async with story.telling(tmp_path, [shop.RIGHT], DATABASE_URL=postgresql_url) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert task["status"] == "COMPLETED", told.tail()
        assert len(told.world.pulls[repo.id]) == 1


async def test_a_killed_bot_goes_on_with_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    """The dead worker's task is taken over by the next one, which goes on where it was."""
    async with story.telling(tmp_path, [shop.RIGHT], DATABASE_URL=postgresql_url) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)

        async def in_the_middle() -> bool:
            return len(told.results()) >= 2

        await told.until(in_the_middle)
        await told.kill()
        await told.start()
        task = await told.ended(issue)

        assert task["status"] == "COMPLETED", told.tail()
        assert len(told.world.pulls[repo.id]) == 1
        assert len(told.comments(issue, "final")) == 1


async def test_a_change_that_breaks_something_is_no_pull_request_on_postgresql(
    tmp_path: Path, postgresql_url: str
) -> None:
    """A proof that does not hold ends FAILED there too, with the outcomes of both sides stored."""
    async with story.telling(tmp_path, [shop.BREAKING], DATABASE_URL=postgresql_url) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert (task["status"], task["reason"]) == ("FAILED", "regressed"), told.tail()
        (case,) = told.rows("SELECT * FROM test_cases WHERE name = 'tests/test_shop.py::test_cheapest'")
        assert (case["base_status"], case["status"]) == ("PASSED", "FAILED")


async def test_people_are_answered_once_by_many_workers(tmp_path: Path, postgresql_url: str) -> None:
    """Two workers share the comments: each has one reaction, the commands of a thread keep their order."""
    play = Play(match="Totals are wrong", turns=[Turn(tools=[("bash", {"command": "sleep 60"})])])
    async with story.telling(tmp_path, [play], DATABASE_URL=postgresql_url) as told:
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "worker", cwd=story.CHECKOUT,
            env=told.environment | {"JOURNEYMAN_DATA_DIR": str(tmp_path / "other")},
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            repo = await told.world.seed_repository("acme/shop", shop.FILES)
            told.world.add_collaborator("maria", "maintain")
            issues = [await told.world.open_issue(repo, "maria", shop.TITLE, shop.BODY) for _ in range(3)]
            words = ["/journeyman run", "/journeyman stop", "/journeyman nonsense", "/journeyman help"]
            said = [await told.world.comment(issue, "maria", word) for word in words for issue in issues]
            await told.world.delivered()

            async def answered() -> bool:
                seen = [[each.content for each in comment.reactions] for comment in said]
                return all(len(each) == 1 and each != ["eyes"] for each in seen[3:])

            await told.until(answered, 60)
            await people.idle(told)
            for issue in issues:
                task = await told.ended(issue, 60)
                assert task["status"] == "CANCELLED", told.tail()
                assert len(told.comments(issue, "reply")) == 2
            assert len(told.rows("SELECT 1 FROM tasks")) == 3
        finally:
            other.terminate()
            await other.wait()
