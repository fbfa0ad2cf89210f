"""The ledger counts what may have been spent, and effects remember what was done."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

from storage import baselines, charges, clock, effects, repositories, test_cases
from storage.database import Database
from storage.records import Charge
from storage.words import TestState, TestType
from tests.records import a_task


async def _reserve(database: Database, task_id: str, usd: str, repository: str = "acme/shop") -> int:
    async with database.transaction() as session:
        return await charges.reserve(
            session, task_id=task_id, repository=repository, purpose="converse", model="m", usd=Decimal(usd)
        )


async def test_a_call_whose_end_was_not_seen_counts_as_spent(database: Database) -> None:
    """An unsettled charge counts with its reservation, a settled one with its cost, to the millionth."""
    task = await a_task(database)
    first = await _reserve(database, task.id, "1.5")
    await _reserve(database, task.id, "0.25")
    async with database.transaction() as session:
        await charges.settle(session, first, Decimal("0.000001"), {"input_tokens": 3})
        assert await charges.spent_by_task(session, task.id) == Decimal("0.250001")
        assert await charges.spent_today(session, "acme/shop") == Decimal("0.250001")


async def test_nothing_spent_is_zero(database: Database) -> None:
    """A task without a call has cost nothing."""
    async with database.reading() as session:
        assert await charges.spent_by_task(session, "unknown") == 0


async def test_a_day_is_a_utc_day_of_one_repository(database: Database) -> None:
    """Yesterday's calls and other repositories' don't count today."""
    task = await a_task(database)
    yesterday = await _reserve(database, task.id, "4")
    await _reserve(database, task.id, "2", "acme/other")
    await _reserve(database, task.id, "1")
    async with database.transaction() as session:
        old = await session.get_one(Charge, yesterday)
        old.day = (clock.now() - timedelta(days=1)).date().isoformat()
    async with database.reading() as session:
        assert await charges.spent_today(session, "acme/shop") == 1
        assert await charges.spent_by_task(session, task.id) == 7


async def test_an_effect_is_begun_once_and_done_once(database: Database) -> None:
    """Beginning again returns what is known: `begun` means that an answer was lost, `done` what was made."""
    task = await a_task(database)
    async with database.transaction() as session:
        assert await effects.find(session, "comment:1") is None
        assert (await effects.begin(session, "comment:1", "comment", task.id)).state == effects.BEGUN
    async with database.transaction() as session:
        assert (await effects.begin(session, "comment:1", "comment", task.id)).state == effects.BEGUN
        await effects.done(session, "comment:1", "IC_1", {"url": "u"})
    async with database.transaction() as session:
        again = await effects.begin(session, "comment:1", "comment", task.id)
        assert (again.state, again.external_id, again.detail) == (effects.DONE, "IC_1", {"url": "u"})
        assert [one.key for one in await effects.of_task(session, task.id)] == ["comment:1"]


async def test_many_may_begin_one_effect_at_once(database: Database) -> None:
    """The key closes the race: all see the same record, and nobody is refused."""

    async def begin() -> str:
        async with database.transaction() as session:
            return (await effects.begin(session, "push:1", "push", None)).state

    assert await asyncio.gather(*(begin() for _ in range(6))) == [effects.BEGUN] * 6


async def test_a_new_proof_replaces_the_tests_of_its_type(database: Database) -> None:
    """The second proof's tests stand in place of the first's; the other type's stay."""
    task = await a_task(database)
    passed = {"status": TestState.PASSED, "base_status": TestState.FAILED}
    async with database.transaction() as session:
        await test_cases.replace(session, task.id, TestType.GENERATED, [{"name": "a", **passed}])
        await test_cases.replace(session, task.id, TestType.REGRESSION, [{"name": "a", **passed}])
        await test_cases.replace(
            session, task.id, TestType.GENERATED, [{"name": "b\x00", **passed, "output": "\ud800"}]
        )
    async with database.reading() as session:
        found = [(one.test_type, one.name) for one in await test_cases.of_task(session, task.id)]
    assert found == [(TestType.GENERATED, "b�"), (TestType.REGRESSION, "a")]


async def test_a_baseline_is_bought_once(database: Database) -> None:
    """Two workers that ran the same suite keep the first outcome, and neither fails."""

    async def save(number: int) -> None:
        async with database.transaction() as session:
            await baselines.save(session, "key", {"number": number})

    await save(0)
    await asyncio.gather(save(1), save(2))
    async with database.reading() as session:
        assert await baselines.find(session, "key") == {"number": 0}
        assert await baselines.find(session, "other") is None


async def test_a_repository_keeps_its_last_good_configuration(database: Database) -> None:
    """Saving again replaces label and configuration; an unknown repository has neither."""
    async with database.transaction() as session:
        await repositories.save(session, 7, "acme/shop", "fix-me", {"draft": True})
        await repositories.save(session, 7, "acme/store", None, {})
        assert await repositories.labels(session, {7, 8}) == {}
    async with database.reading() as session:
        kept = await repositories.find(session, 7)
    assert kept is not None
    assert (kept.full_name, kept.label, kept.configuration) == ("acme/store", None, {})


async def test_a_repository_keeps_since_when_its_label_starts_tasks(database: Database) -> None:
    """From the push that named another one, else from when we read that; what we read first is no change."""

    async def since(label: str | None, pushed_at: datetime | None = None) -> tuple[datetime | None, datetime]:
        async with database.transaction() as session:
            await repositories.save(session, 7, "acme/shop", label, {}, pushed_at)
        async with database.reading() as session:
            kept = await repositories.find(session, 7)
        assert kept is not None
        return kept.label_since, kept.updated_at

    nothing, first = await since("fix-me", clock.now())
    same, second = await since("Fix-Me", clock.now())
    pushed_at = clock.now()
    named, _ = await since("bug", pushed_at)
    later, _ = await since("bug", clock.now())
    assert (nothing, same, named, later) == (None, None, pushed_at, pushed_at)
    for label, pushed in (("a", None), ("b", first), (None, clock.now() + timedelta(hours=1))):
        moved, read = await since(label, pushed)  # GitHub told of no push that can be the one
        assert moved == read > second


async def test_one_repositorys_money_is_looked_at_by_one_at_a_time(database: Database) -> None:
    """Who comes second sees what the first has set aside; another repository waits for nobody else's."""
    task = await a_task(database)
    first_has_it, first_is_done = asyncio.Event(), asyncio.Event()
    seen: list[Decimal] = []

    async def first() -> None:
        async with database.transaction() as session:
            await charges.one_at_a_time(session, "7")
            first_has_it.set()
            if not database.is_sqlite:  # there a transaction that writes waits for every other
                await first_is_done.wait()
            await charges.reserve(
                session, task_id=task.id, repository="7", purpose="p", model="m", usd=Decimal(2)
            )

    async def second(repository: str) -> None:
        await first_has_it.wait()
        async with database.transaction() as session:
            await charges.one_at_a_time(session, repository)
            seen.append(await charges.spent_today(session, repository))

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(first())
        group.create_task(second("7"))
        await first_has_it.wait()
        await second("8")
        first_is_done.set()
    assert sorted(seen) == [0, 2]
