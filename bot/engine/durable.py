"""Run a task's steps so that they survive the process: the only place that knows DBOS."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from dbos import (
    DBOS,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    SetEnqueueOptions,
    SetWorkflowID,
)
from sqlalchemy import Engine as SqlEngine
from sqlalchemy import create_engine, event, make_url

from bot import repeatable

log = structlog.get_logger(__name__)

QUEUE = "tasks"
POLL_SECONDS = 0.2
# DBOS never runs a row of another version again; ours is a loop over one step name, so any version can.
VERSION = "1"
# With fewer threads than tasks + 32, name look-ups wait behind threads blocked on an absent database.
SPARE_THREADS = 32
LONGEST_PAUSE_SECONDS = 60.0
CUT_OFF_SECONDS = 5.0
# At the stop, a sandboxed command gets this long to end; a longer one is cut off, and done again later.
REPEATABLE_SECONDS = 3.0
_LOOK_SECONDS = 0.2

# (task id, number of its run) → whether this run goes on
Advance = Callable[[str, int], Awaitable[bool]]


@dataclass(frozen=True)
class Lanes:
    """How many tasks run at once, in all and in one repository."""

    everywhere: int
    per_repository: int


class Engine:
    """Hand runs of tasks to DBOS; after a crash it calls `advance` again for those that had not ended."""

    def __init__(self, advance: Advance, lanes: Lanes, database_url: str, executor_id: str) -> None:
        self._advance = advance
        self._lanes = lanes
        self._url = database_url
        self._executor_id = executor_id
        self._stopping = asyncio.Event()
        self._running = 0  # workflows in this process
        self._held = 0  # those that wait at a checkpoint for the process to go
        self._changed = asyncio.Condition()
        self._steps: dict[asyncio.Future[bool], repeatable.Mark] = {}  # those in flight
        self._mine: set[str] = set()  # ids of the workflows in this process
        self._run: Callable[[str, int], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Launch on this event loop and recover what an earlier process left; call it once per process."""
        config: DBOSConfig = {
            "name": "journeyman",
            "application_version": VERSION,
            "executor_id": self._executor_id,
            "max_executor_threads": self._lanes.everywhere + SPARE_THREADS,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
        }
        if self._url.startswith("sqlite"):
            config["system_database_engine"] = _sqlite_engine(self._url)
        else:
            config["system_database_url"] = self._url
        DBOS(config=config)
        self._run = self._define()
        DBOS.launch()
        await DBOS.register_queue_async(
            QUEUE,
            worker_concurrency=self._lanes.everywhere,
            partition_concurrency=self._lanes.per_repository,
            polling_interval_sec=POLL_SECONDS,
            on_conflict="always_update",
        )

    def _define(self) -> Callable[[str, int], Awaitable[None]]:
        """Define the workflow: one step, again and again, until it says that this run is over."""

        @DBOS.step(name="advance")
        async def advance(task_id: str, run: int) -> bool:
            return await self._one(task_id, run)

        @DBOS.workflow(name="task", max_recovery_attempts=1000)
        async def task(task_id: str, run: int) -> None:
            name = f"{task_id}.{run}"
            self._mine.add(name)
            await self._count(running=1)
            try:
                while await advance(task_id, run):
                    continue
            finally:
                self._mine.discard(name)
                await self._count(running=-1)

        return task

    async def _one(self, task_id: str, run: int) -> bool:
        pause = 1.0
        while not self._stopping.is_set():
            mark = repeatable.Mark()
            step = asyncio.ensure_future(self._marked(mark, task_id, run))
            self._steps[step] = mark
            step.add_done_callback(lambda ended: self._steps.pop(ended, None))
            try:
                return await step
            except asyncio.CancelledError:
                if not (self._stopping.is_set() and step.cancelled()):
                    raise
                break  # `drain` cut it off: the next process does the step again
            except Exception:
                # To DBOS an error is the end of a workflow, and the task would be stranded.
                log.exception("step.not_done", task=task_id, run=run, again_in_seconds=pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        await self._count(held=1)
        await asyncio.Future()  # the process is about to go; the row stays PENDING for the next one
        return False

    async def _marked(self, mark: repeatable.Mark, task_id: str, run: int) -> bool:
        repeatable.begin(mark)
        return await self._advance(task_id, run)

    async def _count(self, running: int = 0, held: int = 0) -> None:
        async with self._changed:
            self._running += running
            self._held += held
            self._changed.notify_all()

    async def begin(self, task_id: str, run: int) -> None:
        """Start a run at once, outside of the queue: people get an answer while all slots are taken."""
        assert self._run is not None  # noqa: S101  # `start` came first
        with SetWorkflowID(f"{task_id}.{run}"):
            await DBOS.start_workflow_async(self._run, task_id, run)  # type: ignore[arg-type]

    async def enqueue(self, task_id: str, run: int, repository: str) -> None:
        """Queue a run of a task; the same run a second time is the same workflow."""
        assert self._run is not None  # noqa: S101  # `start` came first
        with SetWorkflowID(f"{task_id}.{run}"), SetEnqueueOptions(queue_partition_key=repository):
            await DBOS.enqueue_workflow_async(QUEUE, self._run, task_id, run)  # type: ignore[arg-type]

    async def recover(self, executor_ids: list[str]) -> None:
        """Let the unfinished runs of dead processes be taken up by whoever has a free slot.

        Repeating is harmless: a run that was taken up belongs to its new process.
        """
        await asyncio.to_thread(DBOS._recover_pending_workflows, executor_ids)  # noqa: SLF001  # all there is

    async def unheld(self) -> set[str]:
        """Return the runs that are this process's by the table, and that it does not run."""
        rows = await DBOS.list_workflows_async(
            status="PENDING", executor_id=self._executor_id, load_input=False, load_output=False
        )
        return {row.workflow_id for row in rows} - self._mine

    async def resume(self, name: str) -> None:
        """Queue a run again that this process was given and never heard of."""
        for row in await DBOS.list_workflows_async(workflow_ids=[name], load_input=False):
            await DBOS.resume_workflow_async(name, queue_name=row.queue_name)

    async def forget(self, before: datetime, most: int = 500) -> int:
        """Delete that many runs that ended before that moment, and return how many went."""
        rows = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED"], completed_before=before.isoformat(),
            limit=most, load_input=False, load_output=False,
        )  # fmt: skip
        if rows:
            await DBOS.delete_workflows_async([row.workflow_id for row in rows])
        return len(rows)

    async def drain(self, seconds: float) -> None:
        """Start nothing new and give steps in flight that long to reach their checkpoint.

        What a step is at that is done again anyway (`bot.repeatable`) is not waited for.
        """
        self._stopping.set()
        ends, cut = time.monotonic() + seconds, set[asyncio.Future[bool]]()
        while not await self._all_held() and time.monotonic() < ends:
            for step, mark in list(self._steps.items()):
                if mark.seconds >= REPEATABLE_SECONDS and step not in cut:  # once: it may be clearing up
                    log.info("engine.command_cut_off", seconds=round(mark.seconds))
                    cut.add(step)
                    step.cancel()
        late = self._steps.keys() - cut
        if late:
            # Left to run, they would meet a process that is being taken apart, and call that a crash.
            log.warning("engine.stopped_mid_step", steps=len(late))
            for step in late:
                step.cancel()
        if self._steps:
            await asyncio.wait(list(self._steps), timeout=CUT_OFF_SECONDS)

    async def _all_held(self) -> bool:
        """Whether every run waits at its checkpoint, now or in a moment."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS), self._changed:
                await self._changed.wait_for(lambda: self._held >= self._running)
        return self._held >= self._running


async def close() -> None:
    """Let go of DBOS, last of all: it shuts down the loop's default executor with it."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:  # `destroy` blocks
        await loop.run_in_executor(thread, DBOS.destroy)


def default_url(data_dir: Path) -> str:
    """Return the engine's own file beside ours."""
    return f"sqlite:///{data_dir / 'dbos.sqlite'}"


def _sqlite_engine(url: str) -> SqlEngine:
    """DBOS sets no WAL of its own; without it a step costs twice as much."""
    engine = create_engine(make_url(url), pool_size=5, max_overflow=0, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def prepare(connection, record) -> None:  # type: ignore[no-untyped-def]
        del record
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    return engine
