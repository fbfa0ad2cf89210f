"""`kill -9` at any moment costs at most the model call in flight; nothing is lost and nothing doubled."""

from collections import Counter
from pathlib import Path

import pytest

from demo.github.issue import Issue
from demo.github.repository import Repository
from tests import shop, story


async def _moment(told: story.Story, name: str) -> None:
    """Wait until the task has come that far."""

    async def seen() -> bool:
        match name:
            case "a delivery stored":
                return bool(
                    told.rows("SELECT 1 FROM deliveries WHERE event = 'issues' AND action = 'labeled'")
                )
            case "the first answer":
                return bool(told.claude.asked)
            case "in the middle":
                return len(told.results()) >= 2
            case "testing":
                return bool(told.rows("SELECT 1 FROM tasks WHERE status = 'TESTING'"))
            case "pushed":
                return any(one.path.endswith("git-receive-pack") for one in told.world.mutations())
            case "proposed":
                return any(one.path.endswith("/pulls") for one in told.world.mutations())
        raise AssertionError(name)

    await told.until(seen)


@pytest.mark.parametrize(
    "moment", ["a delivery stored", "the first answer", "in the middle", "testing", "pushed", "proposed"]
)
async def test_a_killed_bot_goes_on_where_it_was(tmp_path: Path, moment: str) -> None:
    """A finished model call is not bought again; one status comment, one final word, one pull request."""
    async with story.telling(tmp_path, [shop.RIGHT]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        await _moment(told, moment)
        await told.kill()
        await told.start()
        task = await told.ended(issue)

        assert task["status"] == "COMPLETED", told.tail()
        _nothing_doubled(told, repo, issue)


def _nothing_doubled(told: story.Story, repo: Repository, issue: Issue) -> None:
    assert len(told.world.pulls[repo.id]) == 1
    for kind in ("status", "log", "final"):
        assert len(told.comments(issue, kind)) == 1, kind
    assert len(told.rows("SELECT 1 FROM tasks")) == 1
    answers = Counter(
        len([each for each in entry.body["messages"] if each["role"] == "assistant"])
        for entry in told.claude.journal
        if entry.body and "output_config" not in entry.body and entry.status == 200
    )
    again = sum(count - 1 for count in answers.values())
    assert again <= 1, f"model calls bought again: {answers}"
