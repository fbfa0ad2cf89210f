"""Measure how soon a comment is acknowledged while tasks run: people, GitHub and Claude are the stand-ins.

    python -m benchmarks.answer [TASKS [COMMENTS [SECONDS]]]

Prints the seconds from each comment to its first reaction (docs/architecture.md, budgets: 3 s at the median
while 20 tasks run).
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from demo.claude.script import Play, Turn
from demo.github.issue import Comment, Issue
from tests import shop, story
from tests.story import Story

OWNERS = 4  # GitHub's content limits are each installation's own
WORDS = ("/journeyman status", "/journeyman help", "/journeyman stpo", "@journeyman-demo mind the floats")
REST = Play(
    match="Totals are wrong",
    turns=[Turn(tools=[("bash", {"command": "sleep 600"})])],
    tests=shop.TESTS,
    name="rest",
)


async def crowd(told: Story, tasks: int) -> list[Issue]:
    """Have so many tasks at work, each in a sandbox whose command does not end, and return their issues."""
    issues = []
    for number in range(tasks):
        place = f"owner{number % OWNERS}/shop"
        if place not in told.world.repositories:
            await told.world.seed_repository(place, shop.FILES)
            told.world.add_collaborator("maria", "maintain")
        issue = await told.world.open_issue(place, "maria", shop.TITLE, shop.BODY)
        await told.world.label(issue, story.LABEL, "maria")
        issues.append(issue)

    async def at_work() -> bool:
        return len(told.rows("SELECT 1 FROM tasks WHERE steps = 1")) == tasks

    await told.until(at_work, 150)
    return issues


async def acknowledged(told: Story, issues: list[Issue], comments: int, seconds: float) -> list[float | None]:
    """Let people comment, evenly spread, and return how long each waited for a reaction; None: in vain."""
    waits = []
    for number in range(comments):
        waits.append(
            asyncio.create_task(_wait(told, issues[number % len(issues)], WORDS[number % len(WORDS)]))
        )
        await asyncio.sleep(seconds / comments)
    return list(await asyncio.gather(*waits))


async def _wait(told: Story, issue: Issue, words: str) -> float | None:
    began = time.perf_counter()
    comment: Comment = await told.world.comment(issue, "maria", words)
    while not comment.reactions:
        if time.perf_counter() - began > 60:
            return None
        await asyncio.sleep(0.02)
    return time.perf_counter() - began


def environment(tasks: int) -> dict[str, str]:
    """Return the settings under which so many tasks run at once."""
    return {"JOURNEYMAN_CONCURRENCY": str(tasks), "JOURNEYMAN_REPOSITORY_CONCURRENCY": str(tasks)}


async def main(tasks: int, comments: int, seconds: int) -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        async with story.telling(Path(folder), [REST], **environment(tasks)) as told:
            issues = await crowd(told, tasks)
            waits = await acknowledged(told, issues, comments, seconds)
    heard = sorted(wait for wait in waits if wait is not None)
    sys.stdout.write(
        f"{tasks} tasks at work, {comments} comments in {seconds} s, {len(heard)} acknowledged\n"
        f"median {statistics.median(heard):.2f} s, 95 % within {heard[int(len(heard) * 0.95)]:.2f} s, "
        f"the slowest {heard[-1]:.2f} s\n"
    )


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:4]]
    asyncio.run(main(*given, *(20, 30, 10)[len(given) :]))
