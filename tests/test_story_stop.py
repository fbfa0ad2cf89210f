"""People stop it by taking the label away or closing the issue, wherever the task is."""

from pathlib import Path

from demo.claude.script import Play, Turn
from tests import shop, story

SLEEPY = Play(
    match="Totals are wrong",
    turns=[
        Turn(tools=[("str_replace_based_edit_tool", shop.FIX)]),
        Turn(tools=[("bash", {"command": "sleep 100"})]),
    ],
    tests=shop.TESTS,
)


async def test_taking_the_label_away_stops_a_running_command_and_keeps_the_work(tmp_path: Path) -> None:
    """The task ends CANCELLED, its command dies, the work so far is on the branch, one comment says so."""
    async with story.telling(tmp_path, [SLEEPY]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)

        async def sleeping() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE steps = 2"))

        await told.until(sleeping)
        await told.world.unlabel(issue, story.LABEL, "maria")
        task = await told.ended(issue)

        assert (task["status"], task["reason"]) == ("CANCELLED", None), told.tail()
        assert len(told.comments(issue, "final")) == 1
        assert told.world.pulls[repo.id] == {}
        assert len(await told.branches(repo)) == 2


async def test_a_label_put_back_starts_a_new_session_with_its_own_branch(tmp_path: Path) -> None:
    """After a stop the same issue can be worked on again, on a second branch, and the first one stays."""
    again = Play(match="Totals are wrong", turns=shop.RIGHT.turns, tests=shop.TESTS)
    async with story.telling(tmp_path, [again]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        await told.ended(issue)
        await told.world.unlabel(issue, story.LABEL, "maria")
        await told.world.label(issue, story.LABEL, "maria")
        task = await told.ended(issue, tasks=2)

        assert task["status"] == "COMPLETED", told.tail()
        branches = sorted(name for name in await told.branches(repo) if name != "main")
        assert len(branches) == 2
        assert branches[1] == f"{branches[0]}-2"


async def test_an_outsider_is_refused_in_one_short_answer(tmp_path: Path) -> None:
    """Without the write role one gets a reaction and one comment that names both roles; nothing runs."""
    async with story.telling(tmp_path, [shop.RIGHT]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        told.world.add_collaborator("mallory", "triage")
        issue = await told.world.open_issue(repo, "mallory", shop.TITLE, shop.BODY)
        await told.world.label(issue, story.LABEL, "mallory")
        task = await told.ended(issue)

        assert (task["status"], task["reason"]) == ("FAILED", "refused"), told.tail()
        (words,) = told.comments(issue)
        assert "**write**" in words
        assert "**triage**" in words
        assert told.claude.asked == []
        assert [each.content for each in issue.reactions] == ["-1"]
