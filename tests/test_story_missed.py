"""What GitHub could not deliver is picked up when the bot is back: once, redelivered or found by looking."""

import asyncio
import json
from pathlib import Path

from demo.claude.script import Play, Turn
from demo.github.issue import Issue
from demo.github.pull import Pull
from tests import people, shop, story
from tests.story import Story

REST_TITLE = "Rest a while"
REST = Turn(tools=[("bash", {"command": "sleep 300"})])
END = Turn(tools=[("finish", {"summary": "It is as it should be."})])
PLAYS = [
    Play(match="Go on with work on", turns=[END], rest=END, tests=shop.TESTS),
    Play(match=REST_TITLE, turns=[REST], rest=REST, tests=shop.TESTS),
    Play(match="Totals are wrong", turns=[shop.MEND, shop.DONE], tests=shop.TESTS),
]


async def _happens(told: Story, issues: dict[str, Issue], pulls: dict[str, Pull]) -> None:
    """Let people do in each repository what nobody will hear of, two minutes ago, when the App was there."""
    for installation in told.world.installations.values():
        installation.created_at = told.world.stamp(-600)
    told.world.faults.clock_offset = -120
    for name in ("labelled", "labelled-lost"):
        await told.world.label(issues[name], story.LABEL, "maria")
    remark = {"path": "shop.py", "line": 6, "body": "Why?"}
    await told.world.review(pulls["reviewed-lost"], "maria", "REQUEST_CHANGES", "Say why.", (remark,))
    await told.world.close_issue(pulls["closed"].issue, "maria")
    await told.world.merge(pulls["merged-lost"], "maria")
    await told.world.delivered()
    told.world.faults.clock_offset = 0
    forgotten = {issue.repository.id for name, issue in issues.items() if name.endswith("-lost")}
    told.world.deliveries[:] = [one for one in told.world.deliveries if one.repository_id not in forgotten]


async def test_whatever_was_missed_is_picked_up_once(tmp_path: Path) -> None:
    """A label, a review and a pull request's end, each redelivered by GitHub or found by looking."""
    names = {
        "labelled": None, "labelled-lost": None,
        "reviewed-lost": shop.TITLE, "closed": shop.TITLE, "merged-lost": shop.TITLE,
    }  # fmt: skip
    async with story.telling(tmp_path, PLAYS) as told:
        issues = {
            name: await people.asks(told, f"{name}/shop", title=title or REST_TITLE, label=title is not None)
            for name, title in names.items()
        }
        pulls = {}
        for name, title in names.items():
            if title == shop.TITLE:
                await people.until(told, issues[name], "t.status = 'COMPLETED'")
                (pulls[name],) = told.world.pulls[issues[name].repository.id].values()
        await told.kill()
        await _happens(told, issues, pulls)

        for _ in range(2):  # the second start finds that everything is known
            await told.start()
            for name in ("labelled", "labelled-lost"):
                await people.until(told, issues[name], "t.status = 'RUNNING'")
            await people.until(
                told, issues["reviewed-lost"], "t.kind = 'follow_up' AND t.status = 'COMPLETED'"
            )
            await people.until(told, issues["closed"], "s.pull_state = 'closed' AND s.ended_at IS NOT NULL")
            await people.until(
                told, issues["merged-lost"], "s.pull_state = 'merged' AND s.ended_at IS NOT NULL"
            )

            async def swept() -> bool:
                return "sweep.done" in told.tail(100_000).rpartition("worker.started")[2]

            await told.until(swept, 60)
            await people.idle(told)
            counts = told.rows(
                "SELECT s.repository, count(*) AS n FROM tasks t JOIN sessions s ON s.id = t.session_id "
                "GROUP BY s.repository"
            )
            assert {row["repository"]: row["n"] for row in counts} == {
                f"{name}/shop": 1 + name.startswith("reviewed") for name in names
            }
            people.sound(told)
            await told.kill()


async def test_a_restart_in_the_middle_of_a_command_is_no_fault_of_the_task(tmp_path: Path) -> None:
    """However long a command goes on, the bot that stops meanwhile counts no crash, and does it again.

    It takes no longer for a GitHub that only fails.
    """
    async with story.telling(tmp_path, [people.SLEEPING]) as told:
        issue = await people.asks(told, "acme/shop")
        await people.until(
            told, issue, "EXISTS (SELECT 1 FROM interactions i WHERE i.interaction_type = 'TOOL_CALL')"
        )
        told.world.faults.fail(".", times=10_000, status=500)
        async with asyncio.timeout(20):
            assert await told.stop() == 0
        assert people.crashes(told) == {}
        assert "engine.command_cut_off" in told.tail()
        (task,) = told.rows("SELECT status, facts FROM tasks")
        assert (task["status"], json.loads(task["facts"]).get("crashes")) == ("RUNNING", None)
