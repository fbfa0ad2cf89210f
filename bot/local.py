"""Do one task on a local clone, with the same lifecycle and the same proof, and without GitHub."""

import asyncio
import contextlib
import hashlib
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from bot import worker
from bot.claude.ask import Claude
from bot.errors import Blocked, UsageFault
from bot.lock import Lock
from bot.settings import Settings
from bot.task import leftovers, on_local
from bot.task.forge import Forge
from bot.task.interruption import Interruptions
from bot.task.lifecycle import Lifecycle
from bot.task.on_local import OnLocal
from bot.task.phases import Means, Phases
from bot.task.portrait import Portraitist
from bot.words.redaction import Redactor
from bot.workspace.mirror import Mirrors
from storage import clock, schema, sessions, tasks
from storage import database as databases
from storage.database import Database
from storage.models import Session, Task
from storage.words import ENDED, TaskKind, TaskState


async def run(settings: Settings, clone: Path, issue: str, base: str | None) -> bool:
    """Do the task and say how it goes; True when it is proven and on its branch.

    Uncommitted changes of the clone play no part: work starts at the branch's last commit. Raises UsageFault
    for an issue without words, and for a clone or branch that can't be started from.
    """
    if not issue.strip().partition("\n")[0].strip("# "):
        raise UsageFault("--issue is empty: its first line must be the title")
    clone = await asyncio.to_thread(lambda: clone.expanduser().resolve())
    if not await asyncio.to_thread(clone.is_dir):
        raise UsageFault(f"--repo {clone} is not a folder: name the local clone")
    own = replace(settings, data_dir=settings.data_dir / "local" / _key(clone))
    own.make_data_dir()
    with Lock(own.data_dir / "worker.lock"):
        async with contextlib.aclosing(databases.connect(databases.default_url(own.data_dir))) as database:
            await schema.upgrade(database)
            return await _run(own, database, clone, issue, base)


async def _run(settings: Settings, database: Database, clone: Path, issue: str, base: str | None) -> bool:
    shop = await worker.workshop(settings)
    await shop.check()
    await _abandon(database)
    await leftovers.clear(shop, database)
    forge = await _forge(shop.mirrors, clone, base)
    interruptions = Interruptions(database)

    def forge_of(session: Session) -> Forge:
        del session
        return forge

    async with contextlib.AsyncExitStack() as stack:
        portraits = Portraitist(settings, Redactor.knowing(settings.secrets()))
        claude = Claude(api_key=settings.anthropic_api_key, base_url=settings.anthropic_base_url)
        stack.push_async_callback(claude.close)
        phases = Phases(
            Means(settings=settings, claude=claude, shop=shop, forge_of=forge_of, portraits=portraits)
        )
        lifecycle = Lifecycle(
            database, interruptions, phases.table(), forge_of, settings.task_timeout, wake=lambda: None
        )
        watching = asyncio.create_task(interruptions.run())
        stack.callback(watching.cancel)
        return await _to_the_end(lifecycle, database, await _task(settings, database, clone, issue))


async def _forge(mirrors: Mirrors, clone: Path, base: str | None) -> OnLocal:
    """Return the forge of the clone at a branch: the one given, or the one that is checked out."""
    try:
        wanted = base or await mirrors.default_branch(str(clone), None, local=True)
        if wanted is None:
            raise UsageFault(f"--repo {clone} has no branch checked out: name one with --base")
        return OnLocal(clone, wanted, await on_local.configuration_at(mirrors, clone, wanted))
    except Blocked as problem:
        given = f" --base {base}" if base else ""
        raise UsageFault(
            f"--repo {clone}{given}: {problem}; name a clone and a branch with a commit"
        ) from None


async def _abandon(database: Database) -> None:
    """End what a killed run left: nobody waits for it any more, and this database has no other worker."""
    async with database.transaction() as writing:
        for task in await writing.scalars(select(Task).where(Task.status.not_in(ENDED))):
            await tasks.finish(writing, task.id, TaskState.CANCELLED, error_message="the run was killed")


async def _task(settings: Settings, database: Database, clone: Path, issue: str) -> str:
    async with database.transaction() as writing:
        owner = await sessions.open_for(
            writing, repository=str(clone), repository_id=None, project_path=str(clone)
        )
        task = await tasks.create(
            writing, owner, kind=TaskKind.IMPLEMENT, description=issue.strip().partition("\n")[0][:200],
            trigger={"text": issue}, budget_usd=settings.task_budget_usd,
        )  # fmt: skip
        return task.id


async def _to_the_end(lifecycle: Lifecycle, database: Database, task_id: str) -> bool:
    """Be the engine of this one task: its steps, one after the other."""
    while True:
        async with database.transaction() as writing:
            run = (await tasks.get(writing, task_id)).runs
            await tasks.enqueued(writing, task_id, run)
        while await lifecycle.advance(task_id, run):
            continue
        async with database.reading() as reading:
            task = await tasks.get(reading, task_id)
        if task.resume_at is not None and task.status not in ENDED:
            await asyncio.sleep(max(0.0, (task.resume_at - clock.now()).total_seconds()))
        if task.status in ENDED:
            return task.status is TaskState.COMPLETED


def _key(clone: Path) -> str:
    return hashlib.sha256(str(clone).encode()).hexdigest()[:16]
