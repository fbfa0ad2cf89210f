"""Keep the place where one task's work happens: its tree, its environment, its tools, its snapshots."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from bot.task.configuration import Configuration
from bot.task.work import Work
from bot.workspace.environment import Environment, Environments, Instance
from bot.workspace.jail import Jail
from bot.workspace.mirror import Mirror, Mirrors, folder_name
from bot.workspace.quarantine import Quarantine
from bot.workspace.sandbox import Mount, Sandbox
from bot.workspace.tools import ToolOutcome, Tools
from storage import clock, snapshots, tasks
from storage.models import Interaction
from storage.words import InteractionType

log = structlog.get_logger(__name__)

SNAPSHOT_SECONDS = 60.0
# A pack this small is kept again where the tree is the same: fewer calls count as lost after a restart.
CHEAP_PACK_BYTES = 2**20
# What running tests and linters leaves behind is nobody's work, also where no .gitignore says so.
LITTER = (
    "__pycache__/",
    "*.pyc",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".coverage",
)
WORKSPACE = "/workspace"
HOME = "/home/agent"


@dataclass
class Workshop:
    """What the desks of one process share."""

    data_dir: Path
    sandbox: Sandbox
    mirrors: Mirrors
    environments: Environments
    sound: bool = False  # whether the sandbox could be built in this process

    async def check(self) -> None:
        """Raise SandboxUnavailable when commands can't be run safely here; once sound, it stays so."""
        if not self.sound:
            await self.sandbox.probe()
            self.sound = True

    def mirror(self, work: Work) -> Mirror:
        """Return the repository's mirror, fetched when the task was prepared."""
        return Mirror(self.mirrors.root / folder_name(repository_key(work)))

    def root(self, work: Work) -> Path:
        """Return the task's folder of trees, which sandboxed commands own."""
        return self.data_dir / "tasks" / work.id

    def quarantine(self, work: Work) -> Path:
        """Return the task's object store, which no sandboxed command can write."""
        return self.data_dir / "quarantine" / f"{work.id}.git"


def repository_key(work: Work) -> str:
    """Name the repository for folders and caches: its id survives a rename; a local clone has its path."""
    session = work.session
    return str(session.repository_id) if session.repository_id is not None else str(session.project_path)


class Desk:
    """One task's place; opened again after a restart as it was, or from the last snapshot."""

    def __init__(self, shop: Workshop, work: Work, quarantine: Quarantine) -> None:
        self.shop = shop
        self.quarantine = quarantine
        self.jail = Jail(shop.sandbox, quarantine)
        self.environment: Environment | None = None
        self._instance: Instance | None = None
        self._work = work
        self._root = shop.root(work)
        self._tools: Tools | None = None
        self._laid_out: str | None = None
        self._last_snapshot = time.monotonic()

    @classmethod
    async def open(cls, shop: Workshop, work: Work) -> "Desk":
        """Make the folders; `lay_out` fills them."""
        quarantine = await Quarantine.open(shop.mirror(work), shop.quarantine(work))
        desk = cls(shop, work, quarantine)
        for part in (desk._root, desk.home):
            await shop.sandbox.make_dir(part)
        return desk

    @property
    def base(self) -> str:
        """The commit that the work is held against."""
        assert self._work.task.base_sha is not None  # noqa: S101  # `prepare` resolved it first
        return self._work.task.base_sha

    @property
    def start(self) -> str:
        """The commit whose files the task begins with: the base, or the branch that it goes on with."""
        return str(self._work.facts.get("start") or self.base)

    @property
    def tree(self) -> Path:
        """The agent's tree."""
        return self._root / "tree"

    @property
    def home(self) -> Path:
        """The agent's home folder."""
        return self._root / "home"

    @property
    def environment_key(self) -> str | None:
        """The base commit's environment, once it was made."""
        return self._work.facts.get("environment")

    def attend(self, work: Work) -> None:
        """Go on with the rows as they are now."""
        self._work = work

    async def ready(self) -> None:
        """Have the tree and the tools as the task left them; quick when they are."""
        if self._tools is None or not self._is_latest:
            await self.lay_out()
            await self.furnish()

    @property
    def _is_latest(self) -> bool:
        """Whether the tree is the one that the task worked in last; another worker may have made another."""
        return self._laid_out is not None and self._laid_out == self._work.facts.get("laid_out")

    async def lay_out(self) -> None:
        """Put the tree there: as it was left, else from the last snapshot, else the base commit."""
        if self._is_latest or await self._as_left():
            return
        await self.shop.sandbox.remove(self.tree)
        await self.shop.sandbox.make_dir(self.tree)
        await self._tell_lost()
        await self.jail.checkout(self.tree, self.start, tree=await self._restored())
        token = clock.new_id()
        await self._work.note(laid_out=token)
        await asyncio.to_thread(self._mark.write_text, token, encoding="utf-8")
        self._laid_out = token

    @property
    def _mark(self) -> Path:
        return self._root / "tree.ready"

    async def _as_left(self) -> bool:
        """Take up the tree on this disk if it is the task's latest."""
        if not await asyncio.to_thread(self._mark.exists):
            return False
        self._laid_out = await asyncio.to_thread(self._mark.read_text, encoding="utf-8")
        return self._is_latest

    async def _restored(self) -> str | None:
        """Return the tree of the last snapshot, taken in; None when there was none."""
        async with self._work.database.reading() as reading:
            latest = await snapshots.latest(reading, self._work.id)
        if latest is None:
            return None
        await self.quarantine.adopt(latest.pack, latest.tree)
        return latest.tree

    async def _tell_lost(self) -> None:
        """Tell Claude, once, which of its tool calls the last snapshot does not hold."""
        async with self._work.database.reading() as reading:
            latest = await snapshots.latest(reading, self._work.id)
        entries = await self._work.entries()
        told = [entry.seq for entry in entries if entry.content.get("restored")]
        seen = max(told[-1] if told else 0, latest.seq if latest else 0)
        lost = [e for e in entries if e.seq > seen and e.interaction_type is InteractionType.TOOL_CALL]
        if lost:
            content = {"notice": True, "restored": True, "text": _lost(lost)}
            await self._work.append((InteractionType.USER_REQUEST, content))

    async def furnish(self) -> None:
        """Give the tree its dependencies: made once per repository and dependency files, then read-only."""
        environment = await self._environment()
        if environment.action:
            self._instance = await self.shop.environments.instance(environment, self._root / "env")
            left = await self.shop.environments.reinstall(self._instance, self.tree, mounts=self.jail.lenders)
            known = self._work.facts.get("left_behind", [])
            if new := [name for name in left if name not in known]:
                await self._work.note(left_behind=[*known, *new])
        self.environment = environment
        if self._work.facts.get("environment") != environment.key:
            await self._work.note(environment=environment.key, environment_note=environment.note)
        self._tools = self._make_tools()

    async def _environment(self) -> Environment:
        key = self._work.facts.get("environment")
        kept = await self.shop.environments.kept(key) if key else None
        if kept is not None:
            return kept
        # The agent may have changed the dependency files by now: what counts is what it began with.
        fresh = self._root / "fresh"
        await self.shop.sandbox.remove(fresh)
        await self.shop.sandbox.make_dir(fresh)
        try:
            await self.jail.checkout(fresh, self.start)
            return await self.equip(fresh)
        finally:
            await self.shop.sandbox.remove(fresh)

    async def equip(self, tree: Path) -> Environment:
        """Return the environment that a tree's own dependency files ask for."""
        wanted = configuration_of(self._work)
        return await self.shop.environments.prepare(
            repository_key(self._work), tree, wanted.setup, wanted.working_directory,
            network=wanted.network, mounts=self.jail.lenders,
        )  # fmt: skip

    def _make_tools(self) -> Tools:
        place = self._instance or self.environment
        mounts = [Mount(self.tree, WORKSPACE, writable=True), Mount(self.home, HOME, writable=True)]
        variables = self.environment.variables if self.environment else {}
        inside = (*mounts, *(place.mounts() if place else ()), *self.jail.lenders)
        return Tools(self.shop.sandbox, inside, environment=variables)

    async def use(self, name: str, given: Any) -> ToolOutcome:
        """Run one tool call."""
        await self.ready()
        assert self._tools is not None  # noqa: S101  # `furnish` made them
        return await self._tools.run(name, given)

    async def snapshot(self) -> str:
        """Keep the tree as it is after the last interaction, and return its id."""
        await self.lay_out()
        entries = await self._work.entries()
        seq = entries[-1].seq if entries else 0
        exclude = (*LITTER, *self._work.facts.get("left_behind", ()))
        taken = await self.jail.snapshot(self.tree, self.start, exclude)
        await self.quarantine.adopt(taken.pack, taken.tree)  # what git refuses must not be kept either
        if taken.tree != self._work.task.tree or len(taken.pack) <= CHEAP_PACK_BYTES:
            async with self._work.writing() as writing:
                await snapshots.save(writing, self._work.id, seq, taken.tree, taken.pack)
                await tasks.change(writing, self._work.id, tree=taken.tree)
        self._last_snapshot = time.monotonic()
        return taken.tree

    async def salvage(self) -> str | None:
        """Return the id of the tree as it was left, or of the last snapshot; None when work never began."""
        if self._is_latest or await self._as_left():
            return await self.snapshot()
        return self._work.task.tree and await self._restored()

    @property
    def snapshot_due(self) -> bool:
        """Whether the last snapshot is too old to lose what came after it."""
        return time.monotonic() - self._last_snapshot > SNAPSHOT_SECONDS

    async def close(self) -> None:
        """Take everything of the task off the disk."""
        await self.shop.sandbox.remove(self._root)
        await self.shop.sandbox.remove(self.shop.quarantine(self._work))


def configuration_of(work: Work) -> Configuration:
    """Return the repository's own configuration as it held at admission."""
    return Configuration.model_validate(work.facts.get("configuration", {}))


def _lost(calls: Sequence[Interaction]) -> str:
    shown = ", ".join(_describe(call.content) for call in calls[-10:])
    return (
        "The service was restarted and your files were restored from its last snapshot. What these later "
        f"tool calls did to the files is lost ({len(calls)} in all, the last ones named): {shown}. "
        "Look at the files before you go on."
    )


def _describe(content: dict[str, Any]) -> str:
    given = content["input"] if isinstance(content["input"], dict) else {}
    target = given.get("path") or given.get("command") or ""
    return f"{content['name']} {str(target)[:80]!r}"
