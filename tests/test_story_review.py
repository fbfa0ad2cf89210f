"""People review its pull request: it follows up on the same branch, beside their own commits."""

from pathlib import Path

from demo.claude.script import Play, Turn
from demo.github.issue import Issue
from demo.github.pull import Pull
from demo.github.repository import Repository
from tests import shop, story
from tests.story import Story

DOC = {
    "command": "str_replace",
    "path": "/workspace/shop.py",
    "old_str": '    """Return the sum of the prices, less the discount in percent."""',
    "new_str": '    """Return the sum of the prices, less the discount (0 to 100) in percent."""',
}


def _follow_up(*turns: Turn) -> Play:
    return Play(match="Go on with work on", turns=turns, tests=shop.TESTS, name="follow-up")


def _finish(thread: int, text: str, *, done: bool) -> Turn:
    said = {
        "summary": "The docstring names the range.",
        "replies": [{"thread": thread, "done": done, "text": text}],
    }
    return Turn(tools=[("finish", said)])


async def _pull(told: Story) -> tuple[Repository, Issue, Pull]:
    repo = await told.world.seed_repository("acme/shop", shop.FILES)
    issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
    assert (await told.ended(issue))["status"] == "COMPLETED", told.tail()
    (pull,) = told.world.pulls[repo.id].values()
    return repo, issue, pull


async def test_a_review_becomes_new_commits_and_one_answer_in_each_thread(tmp_path: Path) -> None:
    """A person's own commit stays; ours comes on top, is proven, and each inline thread hears of it."""
    replies: list[int] = []

    def finish(conversation: object) -> Turn:
        del conversation
        return _finish(replies[0], "The range is in the docstring now.", done=True)

    plays = [
        Play(
            match="Go on with work on",
            turns=[shop.edit(DOC), finish],
            tests=shop.TESTS,
            name="follow-up",
        ),
        shop.RIGHT,
    ]
    async with story.telling(tmp_path, plays) as told:
        repo, issue, pull = await _pull(told)
        first = pull.head_sha
        theirs = await told.world.commit(
            repo, pull.head, {"NOTES.md": "Mind the range.\n"}, "maria", "Add a note"
        )
        review = await told.world.review(
            pull, "maria", "REQUEST_CHANGES", "Nearly.",
            ({"path": "shop.py", "line": 5, "body": "Please say which range a discount has."},),
        )  # fmt: skip
        (inline,) = [one for one in told.world.review_comments.values() if one.review == review.id]
        replies.append(inline.id)
        await told.world.delivered()
        task = await told.ended(issue, tasks=2)

        assert (task["kind"], task["status"]) == ("follow_up", "COMPLETED"), told.tail()
        log = await repo.git.log(pull.head, limit=5)
        assert [one.sha for one in log][1:3] == [theirs, first]
        assert log[0].message.startswith("The docstring names the range\n")
        assert len(told.world.pulls[repo.id]) == 1
        answers = [one for one in told.world.review_comments.values() if one.reply_to == inline.id]
        assert len(answers) == 1
        assert f"Done in {task['head_sha'][:7]}" in answers[0].body
        (report,) = told.comments(pull.issue, "tests")
        assert "· run 2 ·" in report
        asked = next(body for body in told.comments(issue, "log") if "follow-up" in body)
        assert "1 · Task</b> — @&#8203;maria, review &#40;changes requested&#41;" in asked
        assert "> Nearly.\n\n> `shop.py:5`:\n>\n> Please say which range" in asked
        assert shop.TITLE not in asked
        assert len(told.comments(pull.issue, "final")) == 1
        assert len(told.comments(issue, "final")) == 1


async def test_merging_ends_the_session_and_closing_stops_it(tmp_path: Path) -> None:
    """After a merge nothing more is done in the session, and it says so when asked."""
    async with story.telling(tmp_path, [shop.RIGHT]) as told:
        _, issue, pull = await _pull(told)
        await told.world.merge(pull, "maria")
        await told.world.delivered()

        async def merged() -> bool:
            return bool(
                told.rows("SELECT 1 FROM sessions WHERE pull_state = 'merged' AND ended_at IS NOT NULL")
            )

        await told.until(merged)
        await told.world.comment(pull, "maria", "@journeyman-demo one more thing, please.")
        await told.world.delivered()

        async def told_so() -> bool:
            return any("merged" in body for body in told.comments(pull.issue, "reply"))

        await told.until(told_so)
        assert len(told.rows("SELECT 1 FROM tasks")) == 1

        async def shown() -> bool:
            return "Merged" in told.comments(issue, "status")[0]

        await told.until(shown, 40)


async def test_tests_run_again_by_command_and_by_button(tmp_path: Path) -> None:
    """`test` and the check run's button prove the head once more; no new comment comes of it."""
    async with story.telling(tmp_path, [shop.RIGHT]) as told:
        repo, issue, pull = await _pull(told)
        before = len(told.world.comments)
        comment = await told.world.comment(pull, "maria", "/journeyman test")
        await told.world.delivered()
        task = await told.ended(issue, tasks=2)
        assert (task["kind"], task["status"]) == ("retest", "COMPLETED"), told.tail()

        async def thanked() -> bool:
            return [each.content for each in comment.reactions] == ["rocket"]

        await told.until(thanked, 20)
        check = next(one for one in told.world.checks.values() if one.repository is repo)
        await told.world.press(check, "maria", "test")
        await told.world.delivered()
        task = await told.ended(issue, tasks=3)
        assert (task["kind"], task["status"]) == ("retest", "COMPLETED"), told.tail()
        assert len(told.world.comments) == before + 1
        assert len(told.claude.asked) == 5
