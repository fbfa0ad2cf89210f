"""What holds for a task is settled when it is let in, and what it takes over from those before it."""

from decimal import Decimal
from typing import Any

import pytest

from bot.errors import Blocked
from bot.settings import Settings
from bot.task import admission
from bot.task.configuration import Configuration
from bot.task.forge import Admission, Comment
from bot.task.work import Phase, Work
from storage import tasks
from storage.database import Database
from storage.words import TaskKind, TaskState
from tests import records

SETTINGS = Settings(model="claude-opus-5-5", task_budget_usd=Decimal(5))


class Forge:
    """A forge that lets everything in, with a configuration."""

    def __init__(self, **configuration: Any) -> None:
        self.configuration = Configuration.model_validate(configuration)

    async def admit(self, work: Work) -> Admission:
        """Let it in."""
        del work
        return Admission(
            "Totals", "They are wrong.", "main", self.configuration, {"name": "j", "email": "j@x"},
            [Comment("ann", "Since Monday.")],
        )  # fmt: skip


async def _admitted(
    database: Database,
    options: dict[str, str] | None = None,
    settings: Settings = SETTINGS,
    **configuration: Any,
) -> Work:
    task = await records.a_task(database, trigger={"options": options or {}})
    work = await Work.load(database, task.id, task.runs)
    await admission.admit(work, Forge(**configuration), settings)  # type: ignore[arg-type]
    return await Work.load(database, task.id)


async def test_a_task_that_is_let_in_waits_for_a_slot(database: Database) -> None:
    """With the words as they were, the branch to start from and who its commits are by."""
    work = await _admitted(database)
    assert (work.task.phase, work.task.status) == (Phase.PREPARE, TaskState.PENDING)
    assert (work.task.enqueued_at, work.task.runs) == (None, 1)
    assert (work.facts["title"], work.facts["body"], work.facts["base"]) == (
        "Totals",
        "They are wrong.",
        "main",
    )
    assert work.facts["comments"] == [{"author": "ann", "text": "Since Monday."}]
    assert work.facts["author"] == {"name": "j", "email": "j@x"}
    async with database.reading() as reading:
        assert [task.id for task in await tasks.to_enqueue(reading)] == [work.id]


@pytest.mark.parametrize(
    ("options", "configuration", "model"),
    [
        ({}, {}, "claude-opus-5-5"),
        ({}, {"model": "claude-sonnet-5"}, "claude-sonnet-5"),
        ({"model": "claude-haiku-4-5"}, {"model": "claude-sonnet-5"}, "claude-haiku-4-5"),
    ],
)
async def test_whose_model_it_is(
    sqlite: Database, options: dict[str, str], configuration: dict[str, Any], model: str
) -> None:
    """The command's, else the repository's, else the host's."""
    assert (await _admitted(sqlite, options, **configuration)).task.model == model


@pytest.mark.parametrize("where", [{"options": {"model": "claude-0"}}, {"model": "claude-0"}])
async def test_a_model_without_a_price_is_refused(sqlite: Database, where: dict[str, Any]) -> None:
    """Whoever named it: what it costs could not be capped."""
    with pytest.raises(Blocked, match="No price is known"):
        await _admitted(sqlite, **where)


@pytest.mark.parametrize(
    ("options", "configuration", "budget"),
    [
        ({}, {}, 5),
        ({}, {"budget_usd": 2}, 2),
        ({}, {"budget_usd": 50}, 5),
        ({"budget": "3.5"}, {"budget_usd": 2}, Decimal("3.5")),
        ({"budget": "100"}, {}, 5),
    ],
)
async def test_how_much_it_may_cost(
    sqlite: Database, options: dict[str, str], configuration: dict[str, Any], budget: Any
) -> None:
    """What was wished for, and never more than the host allows."""
    assert (await _admitted(sqlite, options, **configuration)).task.budget_usd == budget


async def test_a_wish_for_the_proof_holds_for_this_task(sqlite: Database) -> None:
    """The rest of the repository's configuration stays."""
    work = await _admitted(sqlite, {"proof": "off"}, proof="required", test="make test")
    assert (work.facts["configuration"]["proof"], work.facts["configuration"]["test"]) == ("off", "make test")


async def _next(database: Database, kind: TaskKind, trigger: dict[str, Any], **before: Any) -> Work:
    """Let in the task after one that ended with those facts."""
    owner = await records.a_session(database)
    first = await records.a_task(database, owner, TaskState.RUNNING, facts=before)
    async with database.transaction() as writing:
        await tasks.finish(writing, first.id, TaskState.CANCELLED)
    trigger = {key: first.id if value == "FIRST" else value for key, value in trigger.items()}
    task = await records.a_task(database, owner, kind=kind, trigger=trigger)
    work = await Work.load(database, task.id, task.runs)
    await admission.admit(work, Forge(), SETTINGS)  # type: ignore[arg-type]
    return work


GENERATED = {"tests": [{"name": "t"}], "problem": ""}


async def test_a_follow_up_takes_over_the_tests_that_are_paid_for(sqlite: Database) -> None:
    """They show the same bug."""
    work = await _next(sqlite, TaskKind.FOLLOW_UP, {"origin": "review"}, generated=GENERATED)
    assert (work.facts["generated"], work.facts["aside"]) == (GENERATED, None)


async def test_a_retry_goes_on_where_its_attempt_was_kept(sqlite: Database) -> None:
    """With other tests, since it may be those that were wrong."""
    work = await _next(
        sqlite, TaskKind.FOLLOW_UP, {"origin": "retry", "retry_of": "FIRST"},
        generated=GENERATED, kept_branch="journeyman/issue-1-attempt-1",
    )  # fmt: skip
    assert (work.facts["generated"], work.facts["aside"]) == (None, "journeyman/issue-1-attempt-1")


async def test_a_new_beginning_takes_over_nothing(sqlite: Database) -> None:
    """It is another attempt at the whole issue."""
    work = await _next(sqlite, TaskKind.IMPLEMENT, {"origin": "label"}, generated=GENERATED)
    assert "generated" not in work.facts
