"""Decide when a running tree of processes uses too much memory or disk, by looking a few times a second.

Resource limits bound one process and one file; what the whole tree holds is added up here, so a limit can be
passed for a moment. Control groups would do better, but a service may rarely make them.
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from bot.workspace.command import Limits

_MIB = 1 << 20
_MOST_FILES = 1_000_000  # entries below the writable mounts


class Sampler:
    """Looks at one tree; `free` outlives it and remembers how full each disk was when last added up."""

    def __init__(self, limits: Limits, writable: Sequence[Path], free: dict[Path, tuple[int, int]]) -> None:
        self._limits = limits
        self._writable = writable
        self._free = free
        self._step = max(16 * _MIB, min(256 * _MIB, limits.disk_bytes // 8))

    async def check(self, first: int) -> Literal["memory", "disk"] | None:
        """Return what the tree below process `first` has too much of, if anything."""
        if await asyncio.to_thread(self._too_much_memory, first):
            return "memory"
        if await asyncio.to_thread(self._grown) and await self._too_much_disk(first):
            return "disk"
        return None

    def _too_much_memory(self, first: int) -> bool:
        pids = list(tree(first))
        # Pages that a fork shares count twice here, so the exact and slow sum has the last word.
        return _resident(pids) > self._limits.memory_bytes < _proportional(pids)

    def _grown(self) -> bool:
        """Say whether a disk has lost enough room, since it was last added up, to add it up again."""
        grown = False
        for path in self._writable:
            facts = os.statvfs(path)
            room, names = facts.f_bavail * facts.f_frsize, facts.f_favail
            before = self._free.get(path)
            if before and before[0] - room < self._step and before[1] - names < _MOST_FILES // 8:
                continue
            self._free[path] = (room, names)
            grown = True
        return grown

    async def _too_much_disk(self, first: int) -> bool:
        used = await _du(self._writable, "-sxcB1") + await asyncio.to_thread(self._unlinked, first)
        return used > self._limits.disk_bytes or await _du(self._writable, "-sxc", "--inodes") > _MOST_FILES

    def _unlinked(self, first: int) -> int:
        """Return the bytes of deleted files that the tree still holds open on the writable mounts."""
        devices = {path.stat().st_dev for path in self._writable}
        seen: dict[tuple[int, int], int] = {}
        for pid in tree(first):
            with contextlib.suppress(OSError):
                for link in Path(f"/proc/{pid}/fd").iterdir():
                    facts = link.stat()
                    if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0 and facts.st_dev in devices:
                        seen[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
        return sum(seen.values())


def tree(first: int) -> Iterator[int]:
    """Yield a process and all its descendants; orphans are children of the namespace's first process."""
    waiting = [first]
    while waiting:
        pid = waiting.pop()
        yield pid
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())


def _resident(pids: Iterable[int]) -> int:
    return sum(_kilobytes(f"/proc/{pid}/status", ("RssAnon:", "RssShmem:")) for pid in pids) * 1024


def _proportional(pids: Iterable[int]) -> int:
    """Return the sum with shared pages divided among their sharers; the plain one where it cannot be read."""
    total = 0
    for pid in pids:
        exact = _kilobytes(f"/proc/{pid}/smaps_rollup", ("Pss_Anon:", "Pss_Shmem:"))
        total += exact * 1024 or _resident([pid])
    return total


def _kilobytes(file: str, names: tuple[str, ...]) -> int:
    with contextlib.suppress(OSError):
        lines = Path(file).read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(names))
    return 0


async def _du(paths: Sequence[Path], *flags: str) -> int:
    """Return du's total: it walks folders of any depth, which a path-based walk of our own would not."""
    process = await asyncio.create_subprocess_exec(
        "du", *flags, "--", *map(str, paths),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    output, _ = await process.communicate()
    last = output.splitlines()[-1:] or [b"0"]
    return int(last[0].split()[0])
