"""Whatever someone commands, in whatever state its task is, they hear one thing and the state is right."""

import asyncio
from pathlib import Path

from demo.claude.conversation import Conversation
from demo.claude.script import Play, Turn
from demo.github.issue import Issue
from demo.github.pull import Pull
from tests import people, shop, story
from tests.people import Row
from tests.story import Story

# Said in any state, these change nothing. The two pages come once in a thread and are edited from then on.
PAGES: list[Row] = [("/journeyman help", "+1", "| Command"), ("/journeyman config", "+1", "base")]


async def _nothing_yet(told: Story) -> list[str]:
    issue = await people.asks(told, "nobody/shop", label=False)
    return await people.speak(told, issue, "maria", [
        ("/journeyman status", "+1", "no session"),
        ("/journeyman stop", "+1", "Nothing to stop"),
        ("/journeyman pause", "+1", "Nothing to pause"),
        ("/journeyman resume", "+1", "Nothing to resume"),
        ("/journeyman retry", "+1", "Nothing to try again"),
        ("/journeyman test", "+1", "Nothing to test"),
        ("@journeyman-demo what do you think?", "confused", "no session"),
        *PAGES,
    ])  # fmt: skip


async def _at_work(told: Story) -> list[str]:
    """Speak while it runs, is asked to rest during a command, is let go on, and is stopped."""
    issue = await people.asks(told, "acme/shop")
    await people.until(told, issue, "t.status = 'RUNNING' AND t.steps = 1")
    wrong = await people.speak(told, issue, "maria", [
        ("/journeyman run", "+1", "at work here already"),
        ("/journeyman retry", "+1", "at work here already"),
        ("/journeyman test", "+1", "tested in any case"),
        ("/journeyman resume", "+1", "Nothing to resume"),
        ("/journeyman status", "+1", None),
        ("@journeyman-demo mind the floats, please", "eyes", None),
        ("/journeyman pause", "+1", None),
        ("/journeyman pause", "+1", None),
        ("/journeyman resume", "+1", None),
        *PAGES,
    ])  # fmt: skip
    assert (await people.until(told, issue, "1 = 1"))["status"] == "RUNNING"
    await waiting_room.wait()
    return wrong + await people.speak(told, issue, "maria", [("/journeyman stop", "+1", None)])


waiting_room = asyncio.Event()


async def _in_line(told: Story) -> list[str]:
    """Speak while it waits for a slot, rests there, is let go on, and is stopped without ever having one."""
    issue = await people.asks(told, "line/shop")
    await people.until(told, issue, "t.status = 'PENDING' AND t.phase = 'prepare'")
    wrong = await people.speak(told, issue, "maria", [
        ("/journeyman run", "+1", "queued already"),
        ("/journeyman retry", "+1", "queued already"),
        ("/journeyman test", "+1", "tested in any case"),
        ("/journeyman resume", "+1", "Nothing to resume: the work here is queued"),
        ("/journeyman status", "+1", None),
        ("@journeyman-demo mind the floats, please", "eyes", None),
        ("/journeyman pause", "+1", None),
    ])  # fmt: skip
    await people.until(told, issue, "t.status = 'PAUSED' AND t.paused_by = 'person'")
    wrong += await people.speak(told, issue, "maria", [
        ("/journeyman run", "+1", "at work here already"),
        ("/journeyman retry", "+1", "at work here already"),
        ("/journeyman test", "+1", "is paused"),
        ("/journeyman status", "+1", None),
        ("/journeyman pause", "+1", None),
        ("@journeyman-demo and mind the ints", "eyes", None),
        ("/journeyman resume", "+1", None),
        ("/journeyman stop", "+1", None),
    ])  # fmt: skip
    await people.until(told, issue, "t.status = 'CANCELLED'", 12)
    return wrong


async def _stopped(told: Story) -> list[str]:
    """Speak when it was stopped before it had a slot; what begins anew waits for one again."""
    issue = await people.asks(told, "ended/shop")
    await people.until(told, issue, "t.status = 'PENDING' AND t.phase = 'prepare'")
    await told.world.unlabel(issue, story.LABEL, "maria")
    await people.until(told, issue, "t.status = 'CANCELLED'", 12)
    wrong = await people.speak(told, issue, "maria", [
        ("/journeyman stop", "+1", "Nothing to stop: the work here was stopped"),
        ("/journeyman pause", "+1", "Nothing to pause"),
        ("/journeyman resume", "+1", "Nothing to resume"),
        ("/journeyman test", "+1", "Nothing to test"),
        ("/journeyman status", "+1", None),
        ("/journeyman retry", "eyes", None),
    ])  # fmt: skip
    await people.until(told, issue, "t.status = 'PENDING' AND t.phase = 'prepare'")
    wrong += await people.speak(told, issue, "maria", [("/journeyman stop", "+1", None)])
    await people.until(told, issue, "t.status = 'CANCELLED'", 12)
    wrong += await people.speak(told, issue, "maria", [
        ("@journeyman-demo do it after all, please", "eyes", None),
        ("/journeyman stop", "+1", None),
        ("/journeyman run budget=2", "eyes", None),
        ("/journeyman stop", "+1", None),
    ])  # fmt: skip
    return wrong


async def _failed(told: Story) -> list[str]:
    """Speak when it failed for a reason that a person can mend."""
    issue = await people.asks(told, "failed/shop", body="base: nowhere\n\nIt should return 15.")
    await people.until(told, issue, "t.status = 'FAILED'")
    return await people.speak(told, issue, "maria", [
        ("/journeyman stop", "+1", "Nothing to stop: the work here has ended"),
        ("/journeyman pause", "+1", "Nothing to pause"),
        ("/journeyman resume", "+1", "Nothing to resume"),
        ("/journeyman test", "+1", "Nothing to test"),
        ("/journeyman status", "+1", None),
        ("/journeyman retry from=tests", "+1", "Nothing to test"),
        ("/journeyman retry budget=900", "confused", "5.00 a task"),
        ("/journeyman run model=gpt-9", "confused", "Not started"),
        ("/journeyman retry from=plan", "eyes", None),
    ])  # fmt: skip


async def test_every_command_before_during_and_after_a_task(tmp_path: Path) -> None:
    """Each is answered once and none is lost: with no session, in line, at work, paused, stopped, failed."""
    waiting_room.clear()
    async with story.telling(tmp_path, [people.SLEEPING], JOURNEYMAN_CONCURRENCY="1") as told:
        first = asyncio.create_task(_at_work(told))

        async def busy() -> bool:
            return bool(told.rows("SELECT 1 FROM tasks WHERE steps = 1"))

        await told.until(busy)
        found = await asyncio.gather(_nothing_yet(told), _in_line(told), _stopped(told))
        waiting_room.set()
        found += [await first, await _failed(told)]
        await people.idle(told)
        people.sound(told)
        assert [one for wrong in found for one in wrong] == []


class _Slow:
    """Tests that Claude writes so slowly that people can speak meanwhile."""

    def __call__(self, conversation: Conversation) -> Turn:
        return Turn(text=conversation.as_json(shop.TESTS), delay=1.2)


RIGHT = Play(match="Totals are wrong", turns=[shop.MEND, shop.DONE], tests=_Slow(), name="right")
AGAIN = Play(
    match="Go on with work on",
    turns=[Turn(tools=[("finish", {"summary": "It is as it should be."})])],
    rest=Turn(tools=[("finish", {"summary": "It is as it should be."})]),
    tests=shop.TESTS,
    name="again",
)


async def _tested(told: Story, issue: Issue) -> list[str]:
    """Speak while it tests: what asks for a result hears that it comes."""
    await people.until(told, issue, "t.status = 'TESTING'")
    wrong = await people.speak(told, issue, "maria", [
        ("/journeyman run", "+1", "at work here already"),
        ("/journeyman retry", "+1", "at work here already"),
        ("/journeyman test", "+1", "tested in any case"),
        ("/journeyman resume", "+1", "Nothing to resume"),
        ("/journeyman status", "+1", None),
        ("/journeyman pause", "+1", None),
        ("/journeyman resume", "+1", None),
    ])  # fmt: skip
    assert (await people.until(told, issue, "1 = 1"))["status"] == "TESTING"
    return wrong


async def _offered(told: Story, issue: Issue, pull: Pull) -> list[str]:
    """Speak when it is done and its pull request is open: the same is said in both threads."""
    wrong = []
    for place in (issue, pull):
        wrong += await people.speak(told, place, "maria", [
            ("/journeyman stop", "+1", "Nothing to stop: the work here is done"),
            ("/journeyman pause", "+1", "Nothing to pause"),
            ("/journeyman resume", "+1", "Nothing to resume"),
            ("/journeyman status", "+1", None),
        ])  # fmt: skip
    wrong += await people.speak(told, pull, "maria", [
        ("/journeyman run", "confused", "pull request comes from one already"), *PAGES,
    ])  # fmt: skip
    wrong += await people.speak(told, pull, "maria", [("/journeyman test", "eyes", None)])
    await people.until(told, issue, "t.kind = 'retest' AND t.status = 'COMPLETED'")
    wrong += await people.speak(told, issue, "maria", [("/journeyman retry", "eyes", None)])
    await people.until(told, issue, "t.kind = 'follow_up' AND t.status = 'COMPLETED'")
    return wrong


async def _over(told: Story, issue: Issue, pull: Pull, word: str) -> list[str]:
    """Speak when the pull request is merged or closed: nothing begins in the session, and it says so."""
    await people.until(told, issue, f"s.pull_state = '{word}'")
    wrong = []
    for place in (pull, issue):
        wrong += await people.speak(told, place, "maria", [
            ("/journeyman test", "confused", word),
            ("/journeyman retry", "confused", word),
            ("@journeyman-demo one more thing", "confused", word),
            ("/journeyman stop", "+1", "Nothing to stop"),
            ("/journeyman pause", "+1", "Nothing to pause"),
            ("/journeyman resume", "+1", "Nothing to resume"),
            ("/journeyman status", "+1", None),
        ])  # fmt: skip
    return wrong


async def test_every_command_while_it_tests_and_after_the_pull_request(tmp_path: Path) -> None:
    """On the issue and on the pull request: tested, offered, merged, closed."""
    async with story.telling(tmp_path, [AGAIN, RIGHT]) as told:
        pulls, wrong = [], []
        issues = [await people.asks(told, "acme/shop"), await people.asks(told, "other/shop")]
        wrong += await _tested(told, issues[0])
        for issue in issues:
            task = await people.until(told, issue, "t.finished_at IS NOT NULL")
            assert task["status"] == "COMPLETED", task["error_message"]
            pulls += told.world.pulls[issue.repository.id].values()
        wrong += await _offered(told, issues[0], pulls[0])
        await told.world.merge(pulls[0], "maria")
        await told.world.close_issue(pulls[1].issue, "maria")
        await told.world.delivered()
        for found in await asyncio.gather(
            _over(told, issues[0], pulls[0], "merged"), _over(told, issues[1], pulls[1], "closed")
        ):
            wrong += found
        await people.idle(told)
        people.sound(told)
        assert wrong == []
