"""Lay out fresh trees for the proof, each with its environment, and run commands in them."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.proof.bench import Overlay, Ran
from bot.task.desk import HOME, WORKSPACE, Desk
from bot.workspace import reader
from bot.workspace.environment import Environment, Instance
from bot.workspace.sandbox import Command, Limits, Mount, Sandbox

OUT = "/out"
MOST_FILE_BYTES = 5 * 2**20
MOST_REPORT_BYTES = 32 * 2**20


class TaskGround:
    """One prepared tree; its folder goes with `close`."""

    def __init__(
        self, sandbox: Sandbox, root: Path, inside: Sequence[Mount], variables: Mapping[str, str], cwd: str
    ) -> None:
        self._sandbox = sandbox
        self._root = root
        self._inside = tuple(inside)
        self._variables = dict(variables)
        self._cwd = cwd

    @property
    def out(self) -> str:
        """The folder, as a command sees it, where a report may be written."""
        return OUT

    async def run(
        self, argv: Sequence[str], *, seconds: float, report: str | None, environment: Mapping[str, str]
    ) -> Ran:
        """Run one command in the tree, with an empty `/out`, and read its report without following links."""
        out = self._root / "out"
        await self._sandbox.remove(out)
        await self._sandbox.make_dir(out)
        command = Command(
            tuple(argv),
            (*self._inside, Mount(out, OUT, writable=True)),
            cwd=self._cwd,
            environment={**self._variables, **environment},
            limits=Limits(seconds=seconds),
        )
        result = await self._sandbox.run(command)
        return Ran(
            exit_code=result.exit_code,
            output=result.output,
            timed_out=result.timed_out,
            killed=result.killed,
            seconds=result.seconds,
            report=await _report(out, report) if report else None,
        )

    async def close(self) -> None:
        """Take the tree away."""
        await self._sandbox.remove(self._root)


class TaskBench:
    """The grounds of one task."""

    def __init__(self, desk: Desk, root: Path, working_directory: str) -> None:
        self._desk = desk
        self._root = root
        self._working_directory = working_directory
        self._made = 0
        self.set_up_again = False  # a tree's own dependency files asked for another environment

    async def prepare(
        self, commit: str, tree: str | None, overlay: Sequence[Overlay], label: str
    ) -> TaskGround:
        """Make a fresh tree of the commit, or of the tree made from it, with its own environment."""
        self._made += 1
        box, root = self._desk.shop.sandbox, self._root / f"{label}-{self._made}"
        await box.make_dir(self._root)
        await box.remove(root)
        place, home = root / "tree", root / "home"
        for folder in (root, place, home):
            await box.make_dir(folder)
        await self._desk.jail.checkout(place, commit, overlay, tree=tree)
        environment = await self._desk.equip(place)
        self.set_up_again |= self._desk.environment_key not in {None, environment.key}
        rooms: Environment | Instance = environment
        if environment.action:  # what is built into the environment depends on the tree: each gets its own
            rooms = await self._desk.shop.environments.instance(environment, root / "env")
            await self._desk.shop.environments.reinstall(rooms, place, mounts=self._desk.jail.lenders)
        inside = [Mount(place, WORKSPACE, writable=True), Mount(home, HOME, writable=True), *rooms.mounts()]
        cwd = WORKSPACE if self._working_directory == "." else f"{WORKSPACE}/{self._working_directory}"
        return TaskGround(box, root, [*inside, *self._desk.jail.lenders], environment.variables, cwd)

    async def files(self, treeish: str) -> list[str]:
        """List every path in a commit or tree."""
        return await self._desk.quarantine.files(treeish)

    async def read(self, treeish: str, path: str) -> bytes | None:
        """Return a file's content, or None when there is no such file or it is too large to matter here."""
        return await self._desk.quarantine.read(treeish, path, MOST_FILE_BYTES)

    async def close(self) -> None:
        """Take every tree away."""
        await self._desk.shop.sandbox.remove(self._root)


async def _report(out: Path, name: str) -> bytes | None:
    try:
        return await asyncio.to_thread(reader.read, out, name, MOST_REPORT_BYTES)
    except (OSError, ValueError):
        return None  # the proof says what a run without a report means
