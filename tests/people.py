"""Let people speak on the stand-in GitHub, wait until each was answered, and read what they were told."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from demo.claude.script import Play, Turn
from demo.github.issue import Comment, Issue
from demo.github.pull import Pull
from demo.github.user import User
from tests import shop, story
from tests.story import Story

SLUG = "@journeyman-demo"
# Nothing below may ever be in the bot's log: each is a bug of ours, whoever provoked it.
CRASHES = (
    "request.crashed",
    "step.crashed",
    "dispatch.failed",
    "task.not_handed_over",
    "edit.crashed",
    "interruptions.failed",
    "sweep.failed",
    "sweep.part_failed",
    "sweep.repository_failed",
    "sweep.installation_failed",
    "Traceback",
)
# A sandbox that rests until the test lets it go on, or someone stops it.
SLEEP = Turn(text="I wait.", tools=[("bash", {"command": "sleep 300"})])
SLEEPING = Play(match="", turns=[SLEEP], tests=shop.TESTS, name="sleeping")


def thread_of(place: Issue | Pull) -> Issue:
    """Return the thread of an issue or a pull request."""
    return place.issue if isinstance(place, Pull) else place


def reactions(comment: Any) -> list[str]:
    """Return what stands under a comment, from whomever."""
    return [each.content for each in comment.reactions]


def cause(comment: Comment) -> str:
    """Return the name by which the bot knows a comment."""
    return f"comment:{comment.issue.repository.id}:{comment.id}"


async def asks(told: Story, place: str, *, label: bool = True, **said: str) -> Issue:
    """Let a maintainer open an issue in a new repository, with the label unless told otherwise.

    Another owner is another installation, with content limits of its own.
    """
    repo = await told.world.seed_repository(place, shop.FILES)
    for login, role in (("maria", "maintain"), ("noah", "write")):
        told.world.add_collaborator(login, role)
    text = {"title": shop.TITLE, "body": shop.BODY} | said
    issue = await told.world.open_issue(repo, "maria", text["title"], text["body"])
    if label:
        await told.world.label(issue, story.LABEL, "maria")
    await told.world.delivered()
    return issue


def tasks(told: Story, issue: Issue, condition: str = "1 = 1") -> list[Any]:
    """Return the issue's tasks, oldest first, for which an SQL condition (t: task, s: session) holds."""
    query = (  # the conditions are the tests' own
        "SELECT t.*, s.ended_at, s.pull_state FROM tasks t JOIN sessions s ON s.id = t.session_id "  # noqa: S608
        "WHERE s.repository_id = ? AND s.issue_number = ? AND (" + condition + ") ORDER BY t.created_at"
    )
    return told.rows(query, issue.repository.id, issue.number)


async def until(told: Story, issue: Issue, condition: str, seconds: float = 60) -> Any:
    """Return the issue's newest task for which the condition holds, once there is one."""

    async def look() -> Any:
        return tasks(told, issue, condition)

    return (await told.until(look, seconds))[-1]


async def settled(told: Story, comment: Comment, seconds: float = 30) -> Any:
    """Return the comment's Request once it was done and its person told."""

    async def look() -> Any:
        rows = told.rows("SELECT * FROM requests WHERE cause = ?", cause(comment))
        done = rows and rows[0]["dispatched_at"] and (rows[0]["answer"] is None or rows[0]["answered_at"])
        return rows[0] if done else None

    return await told.until(look, seconds)


async def idle(told: Story, seconds: float = 40) -> None:
    """Return once nothing that was asked for is left to do or to tell."""
    await told.world.delivered()

    async def look() -> bool:
        return not told.rows(
            "SELECT 1 FROM requests WHERE dispatched_at IS NULL "
            "OR (answer IS NOT NULL AND answered_at IS NULL)"
        )

    await told.until(look, seconds)


def crashes(told: Story) -> dict[str, int]:
    """Return what crashed, by the bot's own log."""
    found: Counter[str] = Counter()
    for line in told.log.read_text(errors="replace").splitlines():
        for name in CRASHES:
            found[name] += name in line
    return {name: count for name, count in found.items() if count}


def sound(told: Story) -> None:
    """Hold that nothing crashed, no delivery was refused or parked, and no secret got out."""
    assert crashes(told) == {}, told.tail()
    sent = [one for one in told.world.deliveries if one.status_code]
    assert {one.status_code for one in sent} <= {200, 202}
    assert (
        told.rows("SELECT id, event, error FROM deliveries WHERE state NOT IN ('HANDLED', 'IGNORED')") == []
    )
    assert told.secrets_seen() == []


# What a person says, the one reaction it ends with, and words of the one reply (None: there is none).
Row = tuple[str, str, str | None]


async def speak(told: Story, place: Issue | Pull, user: User | str, rows: Sequence[Row]) -> list[str]:
    """Say one thing after the other, each once the last was answered; return what went not by the table."""
    wrong = []
    for body, reaction, words in rows:
        before = told.comments(thread_of(place), "reply")
        comment = await told.world.comment(place, user, body)
        await told.world.delivered()
        try:
            await settled(told, comment)
        except AssertionError:
            wrong.append(f"{body!r} was not answered within 30 s")
            continue
        new = told.comments(thread_of(place), "reply")[len(before) :]
        if reactions(comment) != [reaction]:
            wrong.append(f"{body!r}: {reactions(comment)} instead of {reaction}")
        if len(new) != (words is not None) or (words and words not in new[0]):
            wrong.append(f"{body!r}: replied {new} instead of {words!r}")
    return wrong
