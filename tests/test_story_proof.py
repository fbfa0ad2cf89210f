"""Only what is proven becomes a pull request; everything else ends with its reason and the work kept."""

from dataclasses import replace
from pathlib import Path

from tests import people, shop, story

WRONG = {
    "tests_failed": shop.NOT_FIXING,
    "regressed": shop.BREAKING,
    "tampered": shop.TAMPERING,
    "no_changes": shop.IDLE,
}


async def test_what_is_not_proven_ends_without_a_pull_request(tmp_path: Path) -> None:
    """Each task fails with the reason that fits, says so once, and keeps what exists on the branch."""
    plays = [replace(play, match=f"{shop.TITLE}: {reason}") for reason, play in WRONG.items()]
    async with story.telling(tmp_path, plays) as told:
        issues = {
            reason: await people.asks(told, f"acme/{reason}", title=f"{shop.TITLE}: {reason}")
            for reason in WRONG
        }
        for reason, issue in issues.items():
            task = await people.until(told, issue, "t.finished_at IS NOT NULL", 120)
            assert (task["status"], task["reason"]) == ("FAILED", reason), told.tail()
            assert told.world.pulls[issue.repository.id] == {}
            assert len(told.comments(issue, "final")) == 1
            branches = [name for name in await told.branches(issue.repository) if name != "main"]
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
