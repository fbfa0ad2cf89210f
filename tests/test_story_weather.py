"""Bad weather at GitHub and at Claude delays the work; it neither ends nor doubles it."""

from dataclasses import replace
from pathlib import Path

from demo.claude.script import Fault, Play
from tests import shop, story


def _stormy(*faults: Fault) -> Play:
    """Return the right play with a fault before each of its first answers."""
    turns = [replace(turn, faults=[fault]) for turn, fault in zip(shop.RIGHT.turns, faults, strict=False)]
    return replace(shop.RIGHT, turns=[*turns, *shop.RIGHT.turns[len(turns) :]])


async def test_a_faltering_model_delays_the_task_only(tmp_path: Path) -> None:
    """Overload, a cut stream, an error event and a garbled chunk are waited out; the history stays whole."""
    play = _stormy(Fault("overloaded", retry_after=0.1), Fault("cut"), Fault("error_event"), Fault("garbled"))
    async with story.telling(tmp_path, [play]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert task["status"] == "COMPLETED", told.tail()
        assert task["steps"] == len(shop.RIGHT.turns)


async def test_lost_answers_of_github_double_nothing(tmp_path: Path) -> None:
    """A comment, a pull request and a push whose answers were lost are found again instead of made twice."""
    async with story.telling(tmp_path, [shop.RIGHT]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        told.world.faults.apply_then_lose(r"POST .*/comments$", times=1)
        told.world.faults.apply_then_lose(r"POST .*/pulls$", times=1)
        told.world.faults.fail(r"POST .*/git-receive-pack$", times=1, status=502)
        told.world.faults.fail(r"GET .*/issues/\d+$", times=2, status=502)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert task["status"] == "COMPLETED", told.tail()
        assert len(told.world.pulls[repo.id]) == 1
        for kind in ("status", "log", "final"):
            assert len(told.comments(issue, kind)) == 1, kind


async def test_a_wrong_key_ends_in_words_that_name_it(tmp_path: Path) -> None:
    """A model that refuses our key ends the task `blocked`, and the issue says what to mend."""
    async with story.telling(tmp_path, [shop.RIGHT], ANTHROPIC_API_KEY="not-the-key") as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert (task["status"], task["reason"]) == ("FAILED", "blocked"), told.tail()
        (words,) = told.comments(issue, "final")
        assert "key" in words


async def test_a_budget_that_buys_no_answer_ends_the_task(tmp_path: Path) -> None:
    """The cap is checked before money is spent: the model is never asked beyond it."""
    async with story.telling(tmp_path, [shop.RIGHT], JOURNEYMAN_TASK_BUDGET_USD="0.02") as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert (task["status"], task["reason"]) == ("FAILED", "out_of_budget"), told.tail()
        assert told.claude.asked == []
        (words,) = told.comments(issue, "final")
        assert "$0.02" in words


async def test_a_configuration_that_is_wrong_is_answered_once_with_its_place(tmp_path: Path) -> None:
    """An unknown key is named with line and column, and the task goes on with the defaults."""
    files = {**shop.FILES, ".github/journeyman.yml": "model: claude-opus-5-5\nbuget_usd: 3\n"}
    async with story.telling(tmp_path, [shop.RIGHT]) as told:
        repo = await told.world.seed_repository("acme/shop", files)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert task["status"] == "COMPLETED", told.tail()
        (words,) = told.comments(issue, "configuration")
        assert "line 2, column 1" in words
        assert "buget" in words
