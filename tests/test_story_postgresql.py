"""The same journeys on PostgreSQL: the storage and the engine are another database, the story is the same."""

from pathlib import Path

from tests import shop, story


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
