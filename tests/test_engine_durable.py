"""A run of a task survives the process that does it."""

import asyncio
from pathlib import Path

import pytest

from bot.engine import durable
from tests.engine_process import LANES, STEPS, journal, started, until, working

ALL = list(range(STEPS))


@pytest.fixture
def engine_url(database_url: str) -> str:
    """Return an empty database for the engine, of each kind."""
    return database_url


def _ended(task: str, who: str = "local") -> tuple[str, str, int, str]:
    return (who, "end", STEPS - 1, task)


async def test_runs_are_done_once_and_within_their_lanes(engine_url: str, tmp_path: Path) -> None:
    """Each run is one workflow however often handed over; one a repository at a time, three in all."""
    names = [f"{repository}{number}" for repository in "abcd" for number in range(2)]
    async with working(engine_url, tmp_path) as worker:
        orders = [(name, name[0]) for name in names]
        await worker.tell(enqueue=orders + orders)
        await until(tmp_path, *(_ended(name) for name in names))
        await worker.tell(enqueue=orders, begin=names)
        await worker.tell(begin=["last"])
        await until(tmp_path, _ended("last"))
    assert {name: started(tmp_path, name) for name in names} == dict.fromkeys(names, ALL)
    everywhere, per_repository = _peaks(tmp_path)
    assert (everywhere, per_repository) == (LANES.everywhere, LANES.per_repository)


def _peaks(folder: Path) -> tuple[int, int]:
    """Return how many runs of the queue were under way at once, in all and in the busiest repository."""
    at_work: set[str] = set()
    everywhere, per_repository = 0, 0
    for _, what, step, task in journal(folder):
        if task == "last":
            continue
        at_work.add(task)
        everywhere = max(everywhere, len(at_work))
        per_repository = max(per_repository, *(sum(one[0] == each for one in at_work) for each in "abcd"))
        if (what, step) == ("end", STEPS - 1):
            at_work.discard(task)
    return everywhere, per_repository


async def test_begun_runs_wait_for_no_slot(engine_url: str, tmp_path: Path) -> None:
    """While every lane is taken, a run that is begun starts at once."""
    holds = [tmp_path / f"hold-{name}-0" for name in "abc"]
    for hold in holds:
        hold.touch()
    async with working(engine_url, tmp_path) as worker:
        await worker.tell(enqueue=[(name, name) for name in "abc"])
        await until(tmp_path, *(("local", "start", 0, name) for name in "abc"))
        await worker.tell(begin=["urgent"], enqueue=[("patient", "d")])
        await until(tmp_path, _ended("urgent"))
        assert started(tmp_path, "patient") == []
        for hold in holds:
            hold.unlink()
        await until(tmp_path, _ended("patient"))


async def test_a_killed_process_costs_the_step_in_flight(engine_url: str, tmp_path: Path) -> None:
    """After `kill -9` the next process goes on: queued and begun runs end, finished steps aren't repeated."""
    for name in ("queued", "begun"):
        (tmp_path / f"hold-{name}-2").touch()
    async with working(engine_url, tmp_path) as worker:
        await worker.tell(enqueue=[("queued", "a"), ("behind", "a")], begin=["begun"])
        await until(tmp_path, ("local", "start", 2, "queued"), ("local", "start", 2, "begun"))
        worker.process.kill()
        await worker.process.wait()
    for name in ("queued", "begun"):
        (tmp_path / f"hold-{name}-2").unlink()
    async with working(engine_url, tmp_path):
        await until(tmp_path, *(_ended(name) for name in ("queued", "begun", "behind")))
    assert started(tmp_path, "queued") == started(tmp_path, "begun") == [0, 1, 2, 2, 3]
    assert started(tmp_path, "behind") == ALL


async def test_a_stopped_process_ends_at_a_checkpoint(engine_url: str, tmp_path: Path) -> None:
    """Draining lets the step in flight end, begins no other, and leaves the rest to the next process."""
    (tmp_path / "hold-one-1").touch()
    async with working(engine_url, tmp_path) as worker:
        await worker.tell(enqueue=[("one", "a"), ("two", "a")])
        await until(tmp_path, ("local", "start", 1, "one"))
        await worker.tell(drain=20)
        (tmp_path / "hold-one-1").unlink()
        async with asyncio.timeout(30):
            assert await worker.process.wait() == 0, worker.noise_so_far()
    assert started(tmp_path, "one") == [0, 1]
    assert started(tmp_path, "two") == []
    async with working(engine_url, tmp_path):
        await until(tmp_path, _ended("one"), _ended("two"))
    assert started(tmp_path, "one") == started(tmp_path, "two") == ALL


async def test_a_stopped_process_waits_for_no_long_command(tmp_path: Path) -> None:
    """What is done again anyway is cut off after a moment; a step at something else gets its time."""
    url = durable.default_url(tmp_path)
    for name in ("hold-one-1", "hold-two-1", "command-one"):
        (tmp_path / name).touch()
    async with working(url, tmp_path) as worker:
        await worker.tell(begin=["one", "two"])
        await until(tmp_path, ("local", "start", 1, "one"), ("local", "start", 1, "two"))
        await worker.tell(drain=3600)
        async with asyncio.timeout(60):
            while "command_cut_off" not in worker.noise_so_far():  # noqa: ASYNC110  # a file calls nobody
                await asyncio.sleep(0.05)
        (tmp_path / "hold-two-1").unlink()
        async with asyncio.timeout(30):
            assert await worker.process.wait() == 0, worker.noise_so_far()
    assert ("local", "end", 1, "two") in journal(tmp_path)
    (tmp_path / "hold-one-1").unlink()
    async with working(url, tmp_path):
        await until(tmp_path, _ended("one"), _ended("two"))
    assert started(tmp_path, "one") == [0, 1, 1, 2, 3]
    assert started(tmp_path, "two") == ALL


async def test_a_step_that_raises_is_tried_again(engine_url: str, tmp_path: Path) -> None:
    """A step that fails from outside, as while the database is away, doesn't end its run."""
    (tmp_path / "fail-one").touch()
    async with working(engine_url, tmp_path) as worker:
        await worker.tell(begin=["one"])
        await until(tmp_path, _ended("one"))
        assert "the world is not as it should be" in worker.noise_so_far()
    assert started(tmp_path, "one") == ALL


async def test_old_runs_are_forgotten(engine_url: str, tmp_path: Path) -> None:
    """Runs that ended before the moment go; those that ended later or still run stay."""
    (tmp_path / "hold-held-0").touch()
    async with working(engine_url, tmp_path) as worker:
        await worker.tell(begin=["one", "held"])
        await until(tmp_path, _ended("one"), ("local", "start", 0, "held"))
        await worker.tell(forget=-3600, gone=[0])
        await worker.tell(begin=["two"])  # by now the first run's end is written down as well
        await until(tmp_path, _ended("two"))
        await worker.tell(forget=3600, gone=[1, 2])
        (tmp_path / "hold-held-0").unlink()
        await until(tmp_path, _ended("held"))
