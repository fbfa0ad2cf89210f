"""What people are shown follows from the rows, and nothing else does."""

from typing import Any

import pytest

from bot.settings import Settings
from bot.task import portrait
from bot.task.portrait import Portraitist
from bot.task.work import Phase, Work
from bot.words import final, status
from bot.words.redaction import Redactor
from storage import clock, tasks, test_cases
from storage.database import Database
from storage.words import InteractionType as T
from storage.words import PausedBy, Reason, TaskState, TestState, TestType
from tests import records

FINISH = {
    "summary": "Adds up.",
    "look_at": ["shop.py:\n the sum"],
    "replies": [{"thread": 5, "done": False, "text": "It is public."}],
}
FINISHED = """\
Adds up.

Please look at:

- shop.py: the sum

In the inline threads:

- 5 (not changed): It is public."""
ISSUE = {"author": "ann", "source": "issue 1", "text": "Totals are wrong"}
PORTRAITS = Portraitist(Settings(), Redactor())


async def _work(database: Database, state: TaskState = TaskState.RUNNING, **values: Any) -> Work:
    task = await records.a_task(database, status=state, requester="ann", requester_id=9, **values)
    return await Work.load(database, task.id)


async def _headline(work: Work) -> str:
    return status.headline(PORTRAITS.session(work), await PORTRAITS.task(work))


async def test_a_task_that_waits_for_a_slot_is_queued(sqlite: Database) -> None:
    """It says so, and nothing of work."""
    work = await _work(sqlite, TaskState.PENDING, phase=Phase.PREPARE, progress="waiting for a free slot")
    assert "Queued" in await _headline(work)


async def test_a_task_that_was_let_go_on_waits_for_a_slot_like_any_other(sqlite: Database) -> None:
    """Nobody reads that it is paused, and nobody is told to resume it once more."""
    await records.a_task(sqlite, await records.a_session(sqlite, 2), phase=Phase.PREPARE)
    work = await _work(sqlite, TaskState.PENDING, phase=Phase.PREPARE, progress="waiting for a free slot")
    async with sqlite.transaction() as writing:
        await tasks.want_pause(writing, work.id, "ann")
    await work.move(TaskState.PAUSED, paused_by=PausedBy.PERSON, progress="paused by @ann")
    assert "Paused by" in await _headline(work)
    async with sqlite.transaction() as writing:
        await tasks.resume(writing, work.id, "ann")
    await work.reload()
    said = status.comment(PORTRAITS.session(work), await PORTRAITS.task(work))
    assert "Queued (position 2)" in said
    assert ("paused by" in said, "`/journeyman resume`" in said) == (False, False)


@pytest.mark.parametrize("whom", ["GitHub", "the model provider"])
async def test_a_task_that_waits_says_for_whom(sqlite: Database, whom: str) -> None:
    """And until when, if that is long; when it goes on it says that it works."""
    now = clock.now().timestamp()
    world = {"attempts": 5, "since": now - 900, "for": whom, "until": now + 900}
    facts = {"world": world, "away_since": now}
    work = await _work(sqlite, TaskState.PAUSED, phase=Phase.CONVERSE, facts=facts)
    await work.move(TaskState.PAUSED, paused_by=PausedBy.MODEL_OUTAGE)
    assert f"Waiting for {whom} until " in await _headline(work)
    await work.note(world={**world, "until": now + 10})
    assert "until" not in await _headline(work)
    await work.note(away_since=None)
    await work.move(TaskState.RUNNING)
    assert "Working" in await _headline(work)


async def test_the_simulated_human_is_no_person(sqlite: Database) -> None:
    """Also in the one line that says where the task stands."""
    work = await _work(sqlite, phase=Phase.CONVERSE)
    await work.move(TaskState.PAUSED, paused_by=PausedBy.SIMULATED_HUMAN)
    assert "not a person" in await _headline(work)


async def test_who_stopped_a_task_is_named_and_not_notified_again(sqlite: Database) -> None:
    """The requester hears of it only when it was someone else."""
    for number, (by, told) in enumerate((("ann", ""), ("bob", "@ann ")), start=1):
        owner = await records.a_session(sqlite, number)
        task = await records.a_task(sqlite, owner, TaskState.RUNNING, requester="ann", requester_id=9)
        work = await Work.load(sqlite, task.id)
        await work.conclude(TaskState.CANCELLED, None, f"@{by} removed the label")
        said = final.comment(PORTRAITS.session(work), await PORTRAITS.task(work, TaskState.CANCELLED))
        first = said.splitlines()[1]
        assert first.startswith(told or "Stopped")
        assert first.endswith("(removed the label).")
        assert f"@{by} " not in first.replace(told, "") or not told


async def test_a_failure_names_its_reason_its_cause_and_what_was_not_kept(sqlite: Database) -> None:
    """In the status comment and in the last word alike."""
    work = await _work(sqlite, phase=Phase.CONVERSE)
    await work.fail(Reason.OUT_OF_BUDGET, "the repository's budget for today ($50.00) is used up")
    await work.note(kept="The work could not be kept: the branch is protected.")
    facts = await PORTRAITS.task(work, TaskState.FAILED)
    assert facts.reason is Reason.OUT_OF_BUDGET
    assert "today" in facts.detail
    assert "protected" in facts.detail


@pytest.mark.parametrize(
    ("ending", "facts", "reason", "told"),
    [
        (TaskState.COMPLETED, {"answered": True}, None, "Floats lose cents."),
        (TaskState.COMPLETED, {}, None, ""),
        (TaskState.FAILED, {}, Reason.NO_CHANGES, "Floats lose cents."),
        (TaskState.FAILED, {}, Reason.UNPROVEN, ""),
    ],
)
async def test_what_claude_answered_is_told_where_nothing_else_came_of_it(
    sqlite: Database, ending: TaskState, facts: dict[str, Any], reason: Reason | None, told: str
) -> None:
    """Of a change its pull request tells."""
    work = await _work(sqlite, facts=facts)
    said = {"message": {"content": [{"type": "text", "text": "Floats lose cents."}]}}
    await work.append((T.USER_REQUEST, {"text": "Why Decimal?"}), (T.CLAUDE_RESPONSE, said))
    if reason is not None:
        await work.fail(reason, "over")
    assert (await PORTRAITS.task(work, ending)).answer == told


@pytest.mark.parametrize(
    ("phase", "done", "active"),
    [
        (Phase.ADMIT, 0, 0),
        (Phase.PREPARE, 0, 1),
        (Phase.CONVERSE, 1, 1),
        (Phase.PROVE, 2, 1),
        (Phase.DELIVER, 3, 1),
        (Phase.CONCLUDE, 1, 0),
    ],
)
async def test_the_checklist_follows_the_phase(sqlite: Database, phase: str, done: int, active: int) -> None:
    """At most one point is active, and what is behind it is done."""
    points = (await PORTRAITS.task(await _work(sqlite, phase=phase))).checklist
    assert (sum(point.done for point in points), sum(point.active for point in points)) == (done, active)


async def test_the_tests_are_those_of_the_last_proof(sqlite: Database) -> None:
    """With what was not run shown as missing, and the set-up that ran again for the change."""
    work = await _work(sqlite, base_sha="b" * 40, base_ref="main")
    assert await PORTRAITS.tests(work) is None
    rows = [
        {"name": "a::one", "status": TestState.PASSED, "base_status": TestState.FAILED},
        {
            "name": "a::two",
            "status": TestState.FAILED,
            "base_status": TestState.PENDING,
            "output": "\nboom\n",
        },
    ]
    async with sqlite.transaction() as writing:
        await test_cases.replace(writing, work.id, TestType.GENERATED, rows)
    await work.note(
        judged={"tree": "t" * 40, "verdict": "failing", "command": "pytest", "set_up_again": True}
    )
    tests = await PORTRAITS.tests(work)
    assert tests is not None
    assert [(case.base, case.now, case.reason) for case in tests.cases] == [
        (TestState.FAILED, TestState.PASSED, ""),
        (None, TestState.FAILED, "boom"),
    ]
    assert portrait.SET_UP_AGAIN in tests.suite.note


async def test_thinking_is_not_part_of_the_conversation(sqlite: Database) -> None:
    """Text, tools and results are."""
    work = await _work(sqlite)
    blocks = [{"type": "thinking", "thinking": "secret plan"}, {"type": "text", "text": "I look."}]
    await work.append(
        (T.USER_REQUEST, {"text": "the whole prompt", "turns": [ISSUE]}),
        (T.CLAUDE_RESPONSE, {"message": {"content": blocks}, "usage": {"output": 12}}),
        (T.TOOL_CALL, {"id": "a", "name": "bash", "input": {"command": "ls"}}),
        (T.TOOL_RESULT, {"tool_use_id": "a", "name": "bash", "text": "shop.py", "is_error": False}),
        (T.TOOL_CALL, {"id": "b", "name": "finish", "input": FINISH}),
        (T.SIMULATED_HUMAN, {"kind": "continuation", "text": "Go on."}),
    )
    told = portrait.conversation(await work.entries())
    assert [one.text for one in told] == ["Totals are wrong", "I look.", "", "shop.py", FINISHED, "Go on."]
    assert (told[0].author, told[2].target, told[5].kind) == ("ann", "ls", "continuation")
