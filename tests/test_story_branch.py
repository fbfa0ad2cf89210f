"""What happens on the branch of its pull request is followed: other people's pushes, and their CI."""

from pathlib import Path

from demo.claude.conversation import Conversation
from demo.claude.script import Play, Turn
from demo.github.issue import Issue
from demo.github.pull import Pull
from demo.github.repository import Repository
from tests import shop, story
from tests.story import Story

FOLLOW_CI = {**shop.FILES, ".github/journeyman.yml": "follow_ci: true\n"}
EDIT = {
    "command": "str_replace",
    "path": "/workspace/shop.py",
    "old_str": '    """Return the lowest price."""',
    "new_str": '    """Return the lowest price of all."""',
}
END = Turn(tools=[("finish", {"summary": "The docstring is clearer."})])


async def _pull(told: Story, files: dict[str, str]) -> tuple[Repository, Issue, Pull]:
    repo = await told.world.seed_repository("acme/shop", files)
    issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
    assert (await told.ended(issue))["status"] == "COMPLETED", told.tail()
    (pull,) = told.world.pulls[repo.id].values()
    return repo, issue, pull


async def test_a_failing_check_becomes_evidence_for_one_follow_up(tmp_path: Path) -> None:
    """With follow_ci two failing checks of one head make one task, which sees what failed; our own none."""
    seen: list[str] = []

    def look(conversation: Conversation) -> Turn:
        seen.append(conversation.opening)
        return shop.edit(EDIT)

    plays = [Play(match="Go on with work on", turns=[look, END], tests=shop.TESTS), shop.RIGHT]
    async with story.telling(tmp_path, plays) as told:
        repo, issue, pull = await _pull(told, FOLLOW_CI)
        head = pull.head_sha
        await told.world.run_ci(repo, head, "success", name="docs")
        await told.world.run_ci(
            repo, head, "failure", name="lint", title="1 error", summary="E501 in shop.py"
        )
        await told.world.run_ci(repo, head, "failure", name="build", title="broken")
        await told.world.delivered()
        task = await told.ended(issue, tasks=2)

        assert (task["kind"], task["status"]) == ("follow_up", "COMPLETED"), told.tail()
        assert "E501 in shop.py" in seen[0]
        assert pull.head_sha == task["head_sha"] != head
        await told.world.run_ci(repo, head, "failure", name="late")
        await told.world.delivered()

        async def considered() -> bool:
            return not told.rows("SELECT 1 FROM requests WHERE dispatched_at IS NULL")

        await told.until(considered)
        assert len(told.rows("SELECT 1 FROM tasks")) == 2


async def test_people_may_push_while_it_works(tmp_path: Path) -> None:
    """What they push meanwhile is taken in, both are proven together, and nothing is forced."""
    plays = [
        Play(
            match="Go on with work on",
            turns=[shop.edit(EDIT), Turn(tools=[("bash", {"command": "sleep 4"})]), END],
            tests=shop.TESTS,
        ),
        shop.RIGHT,
    ]
    async with story.telling(tmp_path, plays) as told:
        repo, issue, pull = await _pull(told, shop.FILES)
        first = pull.head_sha
        await told.world.comment(issue, "maria", "@journeyman-demo please make the docstrings clearer.")
        await told.world.delivered()

        async def at_work() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE kind = 'follow_up' AND steps = 2"))

        await told.until(at_work)
        theirs = await told.world.commit(
            repo, pull.head, {"tests/test_more.py": "def test_more():\n    assert True\n"}, "maria", "More"
        )
        task = await told.ended(issue, tasks=2)

        assert (task["kind"], task["status"]) == ("follow_up", "COMPLETED"), told.tail()
        log = [one.sha for one in await repo.git.log(pull.head, limit=5)]
        assert log[1:3] == [theirs, first]
        assert log[0] == task["head_sha"] == pull.head_sha
        assert len(told.comments(issue, "final")) == 2


async def test_closing_the_pull_request_stops_and_reopening_goes_on(tmp_path: Path) -> None:
    """A closed pull request ends the session; when it is opened again people can go on in it."""
    async with story.telling(tmp_path, [shop.RIGHT]) as told:
        _, issue, pull = await _pull(told, shop.FILES)
        await told.world.close_issue(pull.issue, "maria")
        await told.world.comment(pull, "maria", "/journeyman retry")
        await told.world.delivered()

        async def refused() -> bool:
            return any("was closed" in body for body in told.comments(pull.issue, "reply"))

        await told.until(refused)
        await told.world.reopen_issue(pull.issue, "maria")
        await told.world.delivered()

        async def open_again() -> bool:
            return bool(told.rows("SELECT 1 FROM sessions WHERE ended_at IS NULL AND pull_state = 'open'"))

        await told.until(open_again)
        assert len(told.rows("SELECT 1 FROM tasks")) == 1
        assert len(told.rows("SELECT 1 FROM sessions")) == 1
        assert issue.state == "open"


async def test_an_uninstalled_app_blocks_what_it_was_doing(tmp_path: Path) -> None:
    """The task ends for the named reason, and nothing is tried again and again."""
    play = Play(match="Totals are wrong", turns=[Turn(tools=[("bash", {"command": "sleep 60"})])])
    async with story.telling(tmp_path, [play]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)

        async def at_work() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE steps = 1"))

        await told.until(at_work)
        (installation,) = told.world.installations.values()
        told.world.suspend(installation)
        await told.world.delivered()
        task = await told.ended(issue, 30)

        assert (task["status"], task["reason"]) == ("FAILED", "blocked"), told.tail()
        assert "suspended" in task["error_message"]
