"""The work of a dead worker is taken up by another, and a worker that was given up ends itself."""

import asyncio
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from bot.engine.takeover import Takeover
from bot.engine.watchdog import STRANDED_SECONDS, Watchdog
from storage import clock, schema, workers
from storage import database as databases
from storage.database import Database
from storage.records import Worker
from tests.engine_process import STEPS, started, until, working

TTL = 30.0


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


class RecordingRuns:
    """Remembers whose runs were freed, and which were queued again."""

    def __init__(self) -> None:
        self.freed: list[list[str]] = []
        self.freeing = asyncio.Event()
        self.stranded: set[str] = set()
        self.resumed: list[str] = []

    async def recover(self, executor_ids: list[str]) -> None:
        """Remember the dead."""
        self.freed.append(sorted(executor_ids))
        self.freeing.set()

    async def unheld(self) -> set[str]:
        """Return what the test says."""
        return set(self.stranded)

    async def resume(self, name: str) -> None:
        """Remember the run."""
        self.resumed.append(name)


class Bench:
    """One worker's takeover over a real database, beside other workers' rows."""

    def __init__(self, database: Database, folder: Path, name: str = "we") -> None:
        self.database = database
        self.runs = RecordingRuns()
        self.clock = Clock()
        self.deaths: list[str] = []
        self.takeover = Takeover(
            database, self.runs, name, folder / "worker.id", clock=self.clock,
            die=lambda: self.deaths.append(name), beat_seconds=5, ttl_seconds=TTL,
        )  # fmt: skip

    async def enter(self, *names: str, silent: float = 0) -> None:
        """Add the rows of workers that beat so many seconds ago."""
        for name in names:
            async with self.database.transaction() as session:
                await workers.enter(session, name)
                moment = clock.now() - timedelta(seconds=silent)
                await session.execute(update(Worker).where(Worker.id == name).values(beat=moment))

    async def states(self) -> dict[str, str]:
        """Return every worker's state."""
        async with self.database.reading() as session:
            return {row.id: row.state for row in await session.scalars(select(Worker))}

    async def beat(self, seconds: float, times: int = 1) -> None:
        """Let time pass, beat after beat."""
        for _ in range(times):
            self.clock.now += seconds
            await self.takeover.once()


async def test_the_silent_are_swept_at_every_beat(database: Database, tmp_path: Path) -> None:
    """Once fit to judge, a worker marks the silent dead and frees their runs; those that beat stay."""
    bench = Bench(database, tmp_path)
    await bench.enter("we", "beating")
    await bench.enter("silent", silent=TTL + 1)
    await bench.beat(5, 7)
    assert await bench.states() == {"we": "alive", "beating": "alive", "silent": "dead"}
    await bench.beat(5)
    assert bench.runs.freed == [["silent"], ["silent"]]
    assert bench.deaths == []


async def test_a_worker_that_just_began_judges_nobody(database: Database, tmp_path: Path) -> None:
    """After a gap of everyone's, as when the database was away, the first one back buries nobody."""
    bench = Bench(database, tmp_path)
    await bench.enter("we")
    await bench.enter("late", silent=TTL + 1)
    await bench.beat(5, 6)
    assert (await bench.states())["late"] == "alive"
    await bench.beat(TTL, 1)  # the database was away
    await bench.beat(5, 5)
    assert (await bench.states())["late"] == "alive"
    await bench.beat(5, 1)
    assert (await bench.states())["late"] == "dead"


async def test_a_worker_that_was_given_up_ends_itself(database: Database, tmp_path: Path) -> None:
    """Others may have its work by now: it ends at once, and frees nobody's runs before."""
    bench = Bench(database, tmp_path)
    await bench.enter("we")
    async with database.transaction() as session:
        await workers.leave(session, "we")
    await bench.beat(5)
    assert (bench.deaths, bench.runs.freed) == (["we"], [])


async def test_a_worker_that_leaves_is_dead_at_once(database: Database, tmp_path: Path) -> None:
    """While the block runs the worker beats; after it the others find it dead without waiting."""
    bench = Bench(database, tmp_path)
    async with bench.takeover:
        assert await bench.states() == {"we": "alive"}
    assert await bench.states() == {"we": "dead"}


async def test_the_next_worker_of_a_data_directory_buries_the_last(
    database: Database, tmp_path: Path
) -> None:
    """One process owns a data directory: who left its name there without leaving is dead for certain."""
    await Bench(database, tmp_path, "killed").enter("killed")
    (tmp_path / "worker.id").write_text("killed")
    successor = Bench(database, tmp_path, "next")
    async with successor.takeover:
        assert await successor.states() == {"killed": "dead", "next": "alive"}
        async with asyncio.timeout(10):
            await successor.runs.freeing.wait()
        assert successor.runs.freed[0] == ["killed"]
    assert (tmp_path / "worker.id").read_text() == "next"


async def test_beating_goes_on_when_the_database_comes_back(database: Database, tmp_path: Path) -> None:
    """A beat that the database refuses is not the last one."""
    bench = Bench(database, tmp_path)
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE workers RENAME TO gone"))
    beating = Takeover(database, bench.runs, "we", tmp_path / "id", die=bench.deaths.clear, beat_seconds=0.01)
    running = asyncio.create_task(beating.run())
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE gone RENAME TO workers"))
    await bench.enter("we")
    await bench.enter("dead")
    async with database.transaction() as session:
        await workers.leave(session, "dead")
    async with asyncio.timeout(10):
        await bench.runs.freeing.wait()
    running.cancel()
    await asyncio.wait([running])


async def test_a_stranded_run_is_queued_again_after_a_minute() -> None:
    """A run that the table gives us and we never have is resumed once; one seen now and then is not."""
    runs, now = RecordingRuns(), Clock()
    watchdog = Watchdog(runs, now)
    for number in range(7):
        runs.stranded = {"stranded", "in transit"} if number % 2 else {"stranded"}
        await watchdog.once()
        now.now += STRANDED_SECONDS / 5
    assert runs.resumed == ["stranded"]


@pytest.fixture
async def shared_url(postgresql_url: str) -> str:
    """Return a PostgreSQL database with our tables, for our rows and the engine's."""
    opened = databases.connect(postgresql_url)
    await schema.upgrade(opened)
    await opened.aclose()
    return postgresql_url


async def test_the_runs_of_a_killed_worker_end_in_another(shared_url: str, tmp_path: Path) -> None:
    """Queued and begun runs of a worker that was killed are found by its silence and ended by its peer."""
    names = ("queued", "begun")
    for name in names:
        (tmp_path / f"hold-{name}-1").touch()
    async with working(shared_url, tmp_path, "first", 0.25) as first:
        await first.tell(begin=["begun"], enqueue=[("queued", "a")])
        await until(tmp_path, *(("first", "start", 1, name) for name in names))
        async with working(shared_url, tmp_path, "second", 0.25):
            first.process.kill()
            await first.process.wait()
            for name in names:
                (tmp_path / f"hold-{name}-1").unlink()
            await until(tmp_path, *(("second", "end", STEPS - 1, name) for name in names))
    assert started(tmp_path, "begun") == started(tmp_path, "queued") == [0, 1, 1, 2, 3]


async def test_a_worker_that_was_frozen_ends_with_75(shared_url: str, tmp_path: Path) -> None:
    """A process that slept through its own death does no further step: it ends, and its peer has the run."""
    (tmp_path / "hold-one-1").touch()
    async with (
        working(shared_url, tmp_path, "first", 0.25) as first,
        working(shared_url, tmp_path, "second", 0.25),
    ):
        await first.tell(begin=["one"])
        await until(tmp_path, ("first", "start", 1, "one"))
        first.process.send_signal(signal.SIGSTOP)
        await until(tmp_path, ("second", "start", 1, "one"))
        first.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(20):
            assert await first.process.wait() == 75, first.noise_so_far()
        (tmp_path / "hold-one-1").unlink()
        await until(tmp_path, ("second", "end", STEPS - 1, "one"))
    assert started(tmp_path, "one") == [0, 1, 1, 2, 3]


async def test_a_worker_that_leaves_hands_over_at_once(shared_url: str, tmp_path: Path) -> None:
    """What a stopped worker did not finish is taken up without waiting for its silence."""
    (tmp_path / "hold-one-1").touch()
    async with (
        working(shared_url, tmp_path, "first", 0.25) as first,
        working(shared_url, tmp_path, "second", 0.25),
    ):
        await first.tell(begin=["one"])
        await until(tmp_path, ("first", "start", 1, "one"))
        await first.tell(drain=20)
        (tmp_path / "hold-one-1").unlink()
        await until(tmp_path, ("second", "end", STEPS - 1, "one"))
    assert started(tmp_path, "one") == [0, 1, 2, 3]
