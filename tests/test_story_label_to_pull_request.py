"""A maintainer labels an issue, and gets a proven pull request."""

from pathlib import Path

from tests import shop, story


async def test_a_label_becomes_a_proven_pull_request(tmp_path: Path) -> None:
    """One label gives one task, one status comment, one last word, one pull request with its proof."""
    async with story.telling(tmp_path, [shop.RIGHT]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        task = await told.ended(issue)

        assert (task["status"], task["reason"]) == ("COMPLETED", None), told.tail()
        (pull,) = told.world.pulls[repo.id].values()
        assert pull.issue.body.startswith(f"Fixes #{issue.number}.")
        listing = await repo.git.run("ls-tree", "-r", "--name-only", pull.head_sha)
        assert "tests/test_journeyman_discount.py" in listing.decode().split()
        for kind in ("status", "log", "final"):
            assert len(told.comments(issue, kind)) == 1, kind
        assert told.secrets_seen() == []
