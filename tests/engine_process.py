"""Run the real engine as a process of its own, which a test may kill; its steps note what they do."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from bot import repeatable
from bot.engine import durable
from bot.engine.takeover import Takeover
from storage import clock
from storage import database as databases

CHECKOUT = Path(__file__).resolve().parents[1]
STEPS = 4
LANES = durable.Lanes(everywhere=3, per_repository=1)


@dataclass
class Worker:
    """A process with an engine, seen from the test."""

    process: asyncio.subprocess.Process
    folder: Path
    who: str
    noise: list[str] = field(default_factory=list)

    async def tell(self, **order: Any) -> None:
        """Give an order and wait until it is carried out."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(40):
            answer = await self.process.stdout.readline()
        assert answer == b"done\n", f"{self.who} said {answer!r}: {self.noise_so_far()}"

    def noise_so_far(self) -> str:
        """Return what the process wrote to standard error."""
        return (self.folder / f"{self.who}.log").read_text()[-3000:]


@contextlib.asynccontextmanager
async def working(
    url: str, folder: Path, who: str = "local", beat_seconds: float = 0.0
) -> AsyncIterator[Worker]:
    """Start a worker on that engine database, ready to take orders; it is dead afterwards, if not before.

    With `beat_seconds` it takes part in the takeover, on the same database.
    """
    with (folder / f"{who}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.engine_process", url, str(folder), who, str(beat_seconds),
            cwd=CHECKOUT, stdin=-1, stdout=-1, stderr=log,
        )  # fmt: skip
    worker = Worker(process, folder, who)
    try:
        await worker.tell()
        yield worker
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def journal(folder: Path) -> list[tuple[str, str, int, str]]:
    """Return what the steps did so far: who, start or end, the step's number, of which task."""
    path = folder / "journal"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(who, what, int(step), task) for who, what, step, task in (line.split() for line in lines)]


async def until(folder: Path, *entries: tuple[str, str, int, str]) -> None:
    """Wait until all of these stand in the journal."""
    async with asyncio.timeout(60):
        while not set(entries) <= set(journal(folder)):  # noqa: ASYNC110  # a file calls nobody
            await asyncio.sleep(0.02)


def started(folder: Path, task: str) -> list[int]:
    """Return the numbers of the task's steps in the order they were begun."""
    return [step for _, what, step, name in journal(folder) if (what, name) == ("start", task)]


class _Steps:
    """What a task does here: step after step, each noted; `hold-TASK-N` keeps step N from ending.

    With `command-TASK` the step is meanwhile at what may be done again.
    """

    def __init__(self, folder: Path, who: str) -> None:
        self._folder = folder
        self._who = who

    async def advance(self, task: str, run: int) -> bool:
        """Do the task's next step."""
        del run
        fault = self._folder / f"fail-{task}"
        if fault.exists():
            fault.unlink()
            raise RuntimeError("the world is not as it should be")
        step = sum((what, name) == ("end", task) for _, what, _, name in journal(self._folder))
        self._note("start", step, task)
        await asyncio.sleep(0.02)
        command = (self._folder / f"command-{task}").exists()
        with repeatable.part() if command else contextlib.nullcontext():
            while (self._folder / f"hold-{task}-{step}").exists():  # noqa: ASYNC110  # nor does its absence
                await asyncio.sleep(0.02)
        self._note("end", step, task)
        return step + 1 < STEPS

    def _note(self, what: str, step: int, task: str) -> None:
        with (self._folder / "journal").open("a") as file:
            file.write(f"{self._who} {what} {step} {task}\n")


async def _main(url: str, folder: Path, who: str, beat_seconds: float) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    engine = durable.Engine(_Steps(folder, who).advance, LANES, url, who)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(durable.close)
        if beat_seconds:
            database = databases.connect(url)
            stack.push_async_callback(database.aclose)
            takeover = Takeover(
                database, engine, who, folder / f"{who}.id",
                beat_seconds=beat_seconds, ttl_seconds=4 * beat_seconds,
            )  # fmt: skip
            await stack.enter_async_context(takeover)
        await engine.start()
        while True:
            sys.stdout.write("done\n")
            sys.stdout.flush()
            line = await asyncio.to_thread(sys.stdin.readline)
            if not line:
                return
            order = json.loads(line)
            if "drain" in order:
                sys.stdout.write("done\n")
                sys.stdout.flush()
                await engine.drain(order["drain"])
                return
            await _carry_out(engine, order)


async def _carry_out(engine: durable.Engine, order: dict[str, Any]) -> None:
    for task in order.get("begin", []):
        await engine.begin(task, 0)
    for task, repository in order.get("enqueue", []):
        await engine.enqueue(task, 0, repository)
    if "forget" in order:
        gone = await engine.forget(clock.now() + timedelta(seconds=order["forget"]))
        assert gone in order["gone"], gone


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])))
