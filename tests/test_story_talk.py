"""People talk to it on the issue: they start, guide, pause, stop and retry it, and are answered."""

import asyncio
from pathlib import Path
from typing import Any

from demo.claude.conversation import Conversation
from demo.claude.script import Play, Turn
from demo.github.issue import Comment, Issue
from demo.github.user import User
from tests import people, shop, story
from tests.story import Story

WAIT = {"command": "for n in $(seq 600); do [ -e /tmp/go ] && exit; sleep 0.1; done"}
SLOW = Play(
    match="Totals are wrong",
    turns=[Turn(text="I wait.", tools=[("bash", WAIT)]), shop.MEND, shop.RUN, shop.DONE],
    tests=shop.TESTS,
)


def _reactions(comment: Any) -> list[str]:
    return [each.content for each in comment.reactions]


async def _said(told: Story, issue: Issue, user: User | str, body: str) -> Comment:
    comment = await told.world.comment(issue, user, body)
    await told.world.delivered()
    return comment


async def _answered(told: Story, comment: Comment, reaction: str) -> None:
    async def look() -> bool:
        return _reactions(comment) == [reaction]

    await told.until(look, 20)


async def _reply(told: Story, issue: Issue, words: str) -> str:
    async def look() -> str | None:
        found = [body for body in told.comments(issue, "reply") if words in body]
        return found[0] if found else None

    reply: str = await told.until(look, 20)
    return reply


async def test_a_command_starts_guides_and_ends_well(tmp_path: Path) -> None:
    """`run` works like the label; a mention becomes Claude's next user turn; 👀 becomes 🚀 at the end."""
    heard: list[str] = []

    def listens(conversation: Conversation) -> Turn:
        heard.append(str(conversation.messages[-1]))
        return shop.MEND

    play = Play(
        match="Totals are wrong",
        turns=[Turn(tools=[("bash", {"command": "sleep 6"})]), listens, shop.RUN, shop.DONE],
        tests=shop.TESTS,
    )
    async with story.telling(tmp_path, [play]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        told.world.add_collaborator("maria", "maintain")
        told.world.add_collaborator("theo", "triage")
        issue = await told.world.open_issue(repo, "maria", shop.TITLE, shop.BODY)
        run = await _said(told, issue, "maria", "Let's go:\n\n/journeyman run budget=2")

        async def asked() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE steps = 1"))

        await told.until(asked)
        await _answered(told, run, "eyes")
        word = await _said(told, issue, "theo", "@journeyman-demo please keep the function's name.")
        task = await told.ended(issue)

        assert task["status"] == "COMPLETED", told.tail()
        assert float(task["budget_usd"]) == 2
        assert "please keep the function" in heard[0]
        assert 'author="theo"' in heard[0]
        kinds = [row["interaction_type"] for row in told.rows("SELECT * FROM interactions ORDER BY seq")]
        assert kinds.count("HUMAN") == 1
        await _answered(told, word, "rocket")
        await _answered(told, run, "rocket")


async def test_stop_pause_resume_and_what_is_left_to_do(tmp_path: Path) -> None:
    """A task rests and goes on as people say; `stop` kills the running command within ten seconds."""
    async with story.telling(tmp_path, [SLOW]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)
        stranger = await _said(told, issue, "mallory", "/journeyman stop")
        await _answered(told, stranger, "-1")
        assert "**write**" in await _reply(told, issue, "access")

        async def waiting() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE steps = 1"))

        await told.until(waiting)
        pause = await _said(told, issue, "maria", "/journeyman pause")
        await _answered(told, pause, "+1")
        stop = await _said(told, issue, "maria", "@journeyman-demo stop")
        began = asyncio.get_running_loop().time()
        task = await told.ended(issue)
        assert asyncio.get_running_loop().time() - began < 10
        assert task["status"] == "CANCELLED", told.tail()
        await _answered(told, stop, "+1")

        again = await _said(told, issue, "maria", "/journeyman stop")
        await _answered(told, again, "+1")
        assert "Nothing to stop" in await _reply(told, issue, "Nothing to stop")
        unclear = await _said(told, issue, "maria", "/journeyman stpo")
        await _answered(told, unclear, "confused")
        assert "`/journeyman stop`" in await _reply(told, issue, "Did you mean")
        await _said(told, issue, "mallory", "/journeyman retry")
        second = [body for body in told.comments(issue, "reply") if "access" in body]
        assert len(second) == 1
        assert told.secrets_seen() == []


async def test_a_paused_task_waits_for_a_person(tmp_path: Path) -> None:
    """Between two steps it gives up its slot, says by whom it rests, and goes on when it is let."""
    play = Play(
        match="Totals are wrong",
        turns=[Turn(tools=[("bash", {"command": "sleep 3"})]), shop.MEND, shop.RUN, shop.DONE],
        tests=shop.TESTS,
    )
    async with story.telling(tmp_path, [play]) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        issue = await story.labelled(told, repo, shop.TITLE, shop.BODY)

        async def begun() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE steps = 1"))

        await told.until(begun)
        await _said(told, issue, "maria", "/journeyman pause")

        async def rests() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE status = 'PAUSED' AND paused_by = 'person'"))

        await told.until(rests)
        status = await _said(told, issue, "maria", "/journeyman status")
        await _answered(told, status, "+1")

        async def shown() -> bool:
            return "Paused" in told.comments(issue, "status")[0]

        await told.until(shown, 30)
        await _said(told, issue, "maria", "/journeyman resume")
        assert (await told.ended(issue))["status"] == "COMPLETED", told.tail()


async def test_it_says_what_it_understands(tmp_path: Path) -> None:
    """Help and configuration come once in a thread and are edited from then on; a quote asks for nothing."""
    async with story.telling(tmp_path, []) as told:
        repo = await told.world.seed_repository("acme/shop", shop.FILES)
        told.world.add_collaborator("maria", "maintain")
        issue = await told.world.open_issue(repo, "maria", shop.TITLE, shop.BODY)
        quiet = await _said(told, issue, "maria", "> /journeyman run\n\nWhat does that do?")
        robot = told.world.user("helper[bot]", "Bot")
        bot = await _said(told, issue, robot, "/journeyman run")
        for _ in range(2):
            comment = await _said(told, issue, "maria", "/journeyman help\n/journeyman config")
            await _answered(told, comment, "+1")
        mention = await _said(told, issue, "maria", "@journeyman-demo could you fix this?")
        await _answered(told, mention, "confused")
        await people.idle(told)

        assert len(told.comments(issue, "reply")) == 3
        assert _reactions(quiet) == _reactions(bot) == []
        edited = await _said(told, issue, "maria", "/journeyman retry")
        await _answered(told, edited, "+1")
        await told.world.edit_comment(edited, "maria", "/journeyman run")
        await told.world.delivered()
        await _reply(told, issue, "first written")
        assert told.rows("SELECT 1 FROM tasks") == []
