"""Say what the proof needs of the workspace: fresh trees, their files, and commands run in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.workspace.quarantine import Overlay

__all__ = ["Bench", "Ground", "Overlay", "Ran"]


@dataclass(frozen=True)
class Ran:
    """What became of one command: the sandbox's result, and the report that it left, if it left one."""

    exit_code: int | None  # None when the command was killed by us
    output: str
    timed_out: bool
    killed: str | None  # "memory", "disk", "time"
    seconds: float
    report: bytes | None


class Ground(Protocol):
    """One prepared tree with its environment; commands start in its working directory."""

    @property
    def out(self) -> str:
        """The folder, as a command sees it, where a report may be written; never inside the tree."""
        ...

    async def run(
        self, argv: Sequence[str], *, seconds: float, report: str | None, environment: Mapping[str, str]
    ) -> Ran:
        """Run one command, then read the file *report* (a bare name in `out`) without following links.

        A report that is absent, not a regular file, linked elsewhere or too large is None. `out` is empty
        when the command starts.
        """
        ...

    async def close(self) -> None:
        """Take the tree away."""
        ...


class Bench(Protocol):
    """Hands out trees and reads the two sides of a change."""

    async def prepare(self, commit: str, tree: str | None, overlay: Sequence[Overlay], label: str) -> Ground:
        """Make a fresh tree of the base *commit*, or of the result *tree* made from it, under *overlay*."""
        ...

    async def files(self, treeish: str) -> list[str]:
        """List every path in a commit or tree, relative to the repository's root."""
        ...

    async def read(self, treeish: str, path: str) -> bytes | None:
        """Return a file's content, or None when there is no such file."""
        ...
