"""Only what is proven becomes a pull request; everything else ends with its reason and the work kept."""

from pathlib import Path

import pytest

from demo.claude.script import Play
from tests import shop, story


@pytest.mark.parametrize(
    ("play", "reason"),
    [
        pytest.param(shop.NOT_FIXING, "tests_failed", id="a fix that does not fix"),
        pytest.param(shop.BREAKING, "regressed", id="a fix that breaks something else"),
        pytest.param(shop.TAMPERING, "tampered", id="a fix that edits the failing test away"),
        pytest.param(shop.IDLE, "no_changes", id="no change at all"),
    ],
)
async def test_what_is_not_proven_ends_without_a_pull_request(
    tmp_path: Path, play: Play, reason: str
) -> None:
    """The task fails with the reason that fits, says so once, and keeps what exists on the branch."""
    async with story.telling(tmp_path, [play]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert (task["status"], task["reason"]) == ("FAILED", reason), told.tail()
        assert told.world.pulls[repo.id] == {}
        assert len(told.comments(issue, "final")) == 1
        branches = [name for name in await told.branches(repo) if name != "main"]
        assert len(branches) == (0 if reason == "no_changes" else 1)


async def test_evidence_of_a_failed_proof_leads_to_a_better_change(tmp_path: Path) -> None:
    """What the proof found goes back as the simulated human's word, and the next try holds."""
    async with story.telling(tmp_path, [shop.SECOND_TRY]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert task["status"] == "COMPLETED", told.tail()
        words = told.rows(
            "SELECT CAST(content AS TEXT) AS content FROM interactions "
            "WHERE interaction_type = 'SIMULATED_HUMAN'"
        )
        assert any("test_cheapest" in word["content"] for word in words)
        assert len(told.world.pulls[repo.id]) == 1
