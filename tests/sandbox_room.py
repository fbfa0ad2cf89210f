"""Furnish one task's folders for the tests of the sandbox; not a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bot.workspace.sandbox import Command, Limits, Mount, Result, Sandbox


class Room:
    """One task's folders in a sandbox whose data folder lies below a closed parent."""

    def __init__(self, sandbox: Sandbox, root: Path) -> None:
        self.sandbox = sandbox
        self.root = root
        self.tree = root / "tree"

    def command(self, script: str, *, mounts: tuple[Mount, ...] = (), **changes: object) -> Command:
        """Return a bash command in the tree."""
        own = (Mount(self.tree, "/workspace", writable=True), *mounts)
        return replace(Command(("bash", "-c", script), own, limits=Limits(seconds=30)), **changes)  # type: ignore[arg-type]

    async def run(self, script: str, **changes: object) -> Result:
        """Run a bash command in the tree."""
        return await self.sandbox.run(self.command(script, **changes))  # type: ignore[arg-type]


@asynccontextmanager
async def furnished(folder: Path) -> AsyncIterator[Room]:
    """Make a task's folders below a data folder whose parent is closed to others; remove them afterwards."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    sandbox = Sandbox("bubblewrap", closed / "data")
    root = await sandbox.make_dir(closed / "data" / "task")
    await sandbox.make_dir(root / "tree")
    yield Room(sandbox, root)
    await sandbox.remove(root)
