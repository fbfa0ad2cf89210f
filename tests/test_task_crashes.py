"""The process dies around any commit or outside action, and the task ends as if it had not."""

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from bot.task import history
from bot.task.interruption import Interruptions
from bot.task.lifecycle import Lifecycle
from bot.task.work import Work
from storage import tasks
from storage.database import Database
from storage.models import Task
from storage.words import ENDED, InteractionType, TaskState
from tests import records
from tests.task_world import TURNS, Always, Died, Mortal, Process, World

# All moments take a minute; these are spread over all kinds of them.
EVERY = 28


async def _live(database: Database, world: World, task_id: str) -> Task:
    """Start a process, and again whenever it dies, until the task is over."""
    while True:
        mortal, process = Mortal(database, world), Process(world)
        lifecycle = Lifecycle(
            mortal, Interruptions(mortal), process.table(), Always(process.outside), 3600.0, lambda: None  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        try:
            while True:
                task = await records.read_task(database, task_id)
                goes_on = await lifecycle.advance(task_id, task.runs)
                if not goes_on and task.status in ENDED:
                    return task
        except Died:
            continue


async def _told(database: Database, moment: int) -> tuple[World, Task, Work]:
    world = World(moment)
    owner = await records.a_session(database, moment + 1)
    task = await records.a_task(database, owner, seed=3)
    return world, await _live(database, world, task.id), await Work.load(database, task.id)


@pytest.mark.parametrize("start", range(1, EVERY, EVERY // 4))
async def test_a_death_at_any_moment_changes_nothing(sqlite: Database, start: int) -> None:
    """No answer that was stored is bought again, no tool is run twice, nothing outside has two forms."""
    whole, plain, _ = await _told(sqlite, 0)
    assert plain.status is TaskState.COMPLETED
    assert whole.moments > 100
    for moment in range(start, whole.moments + 1, EVERY):
        world, task, work = await _told(sqlite, moment)
        why = f"died at {moment} of {whole.moments}"
        assert world.deaths == 1, why
        assert task.status is TaskState.COMPLETED, why
        assert "outcome" not in task.facts, why
        assert sum(world.answers.values()) <= len(world.answers) + 1, why
        assert set(world.tools.values()) == {1} or task.steps > len(TURNS), why
        assert {key for key in world.outside if key.startswith("push")} == {f"push {task.tree}"}, why
        assert {key for key in world.outside if key.startswith("final")} == {"final COMPLETED"}, why
        assert task.steps == len(world.answers), why
        await _whole(work, why)


async def test_a_death_at_any_moment_neither_loses_nor_doubles_a_persons_word(sqlite: Database) -> None:
    """One is said as Claude ends its turn, another as it hands its work in: each is heard once, in order."""

    async def told(moment: int) -> tuple[World, Task, Work]:
        world = World(moment)
        owner = await records.a_session(sqlite, moment + 1)
        task = await records.a_task(sqlite, owner, seed=3)

        def says(words: str) -> Callable[[], Awaitable[None]]:
            async def say() -> None:
                async with sqlite.transaction() as writing:
                    known = (await tasks.get(writing, task.id)).facts.get("words") or []
                    word = {"author": "ann", "author_id": 9, "text": words}
                    await tasks.set_facts(writing, task.id, words=[*known, word])

            return say

        world.people = {2: says("One."), len(TURNS) - 1: says("Two.")}
        return world, await _live(sqlite, world, task.id), await Work.load(sqlite, task.id)

    whole, _, _ = await told(0)
    for moment in range(5, whole.moments + 1, EVERY):
        world, task, work = await told(moment)
        why = f"died at {moment} of {whole.moments}"
        assert (world.deaths, task.status) == (1, TaskState.COMPLETED), why
        heard = [
            e.content["shown"] for e in await work.entries() if e.interaction_type is InteractionType.HUMAN
        ]
        assert heard == ["One.", "Two."], why
        assert task.facts["words"] == [], why
        assert {key for key in world.outside if key.startswith("push")} == {f"push {task.tree}"}, why
        assert {key for key in world.outside if key.startswith("final")} == {"final COMPLETED"}, why
        async with sqlite.reading() as reading:
            assert len(await tasks.of_session(reading, task.session_id)) == 1, why


async def _whole(work: Work, why: str) -> None:
    """Check that the conversation is one that an API would take, and that nobody spoke twice."""
    entries = await work.entries()
    assert history.open_calls(entries) == [], why
    results = Counter(
        e.content["tool_use_id"] for e in entries if e.interaction_type is InteractionType.TOOL_RESULT
    )
    assert set(results.values()) == {1}, why
    kinds = [entry.interaction_type for entry in entries]
    spoken = InteractionType.SIMULATED_HUMAN
    assert (spoken, spoken) not in set(itertools.pairwise(kinds)), why
    rounds = sum(entry.content.get("kind") == "continuation" for entry in entries)
    assert 1 + rounds <= work.task.iterations <= 2 + rounds + (work.task.steps - len(TURNS)), why
