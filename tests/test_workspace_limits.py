"""Hold the sandbox to its limits: processes, memory, files, disk, scratch folders, output."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.workspace import limits as sampling
from bot.workspace.sandbox import Limits
from tests.sandbox_room import Room, furnished

MIB = 1 << 20


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    """Return a task's folders, 0700 all the way up."""
    async with furnished(tmp_path) as room:
        yield room


async def test_fork_bomb_is_contained(room: Room) -> None:
    """A fork bomb meets its process limit and is gone after the time-out."""
    (room.tree / "bomb.py").write_text(
        "import os, time\ntry:\n    while True: os.fork()\n"
        "except BlockingIOError: print('EAGAIN', flush=True)\ntime.sleep(60)\n"
    )
    result = await room.run("python3 bomb.py", limits=Limits(seconds=1.5, processes=64))
    assert "EAGAIN" in result.output
    assert result.killed == "time"


async def test_single_process_cannot_outgrow_memory(room: Room) -> None:
    """An allocation far beyond the limit fails inside the process that asks for it."""
    result = await room.run('python3 -c "bytearray(10 << 30)"', limits=Limits(memory_bytes=512 * MIB))
    assert "MemoryError" in result.output
    assert result.exit_code == 1


@pytest.mark.parametrize("kind", ["mmap.mmap(-1, 60 << 20)", "bytearray(60 << 20)"])
async def test_memory_is_counted_over_all_processes(room: Room, kind: str) -> None:
    """Many processes of a modest size are ended together, shared memory counted too."""
    (room.tree / "eat.py").write_text(
        f"import mmap, time\nx = {kind}\nfor i in range(0, 60 << 20, 4096): x[i] = 1\ntime.sleep(60)\n"
    )
    script = "for _ in 1 2 3 4 5 6; do python3 eat.py & done; wait"
    result = await room.run(script, limits=Limits(seconds=25, memory_bytes=200 * MIB))
    assert (result.killed, result.exit_code, result.timed_out) == ("memory", None, False)


async def test_forked_memory_is_counted_once(room: Room) -> None:
    """Pages that forks share are no reason to end a command."""
    (room.tree / "fork.py").write_text(
        "import os, time\nx = b'x' * (100 << 20)\n"
        "children = [os.fork() for _ in range(1)] and [os.fork() for _ in range(2)]\ntime.sleep(1)\n"
    )
    result = await room.run("python3 fork.py", limits=Limits(seconds=20, memory_bytes=300 * MIB))
    assert (result.killed, result.exit_code) == (None, 0)


async def test_huge_file_is_cut(room: Room) -> None:
    """One file cannot pass its limit."""
    limits = Limits(seconds=20, file_bytes=8 * MIB)
    result = await room.run("trap '' XFSZ; head -c 20M /dev/zero > big", limits=limits)
    assert result.exit_code != 0
    assert (room.tree / "big").stat().st_size == 8 * MIB


@pytest.mark.parametrize(
    "script",
    [
        "for i in $(seq 9); do head -c 30M /dev/zero > f$i; done; sleep 60",
        "exec 7> gone; rm gone; head -c 250M /dev/zero >&7; sleep 60",
    ],
)
async def test_full_tree_is_ended(room: Room, script: str) -> None:
    """More on disk than allowed ends the command, deleted files that are still open counted too."""
    result = await room.run(script, limits=Limits(seconds=25, disk_bytes=100 * MIB))
    assert (result.killed, result.exit_code) == ("disk", None)


async def test_too_many_files_are_ended(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of empty files ends the command."""
    monkeypatch.setattr(sampling, "_MOST_FILES", 1000)
    (room.tree / "flood.py").write_text(
        "import time\nfor i in range(2000): open(f'f{i}', 'w')\ntime.sleep(60)\n"
    )
    result = await room.run("python3 flood.py; sleep 60", limits=Limits(seconds=25))
    assert result.killed == "disk"


async def test_scratch_folders_are_bounded(room: Room) -> None:
    """The scratch and home folders and shared memory run full long before the host does."""
    script = "for d in /tmp $HOME /dev/shm; do head -c 400M /dev/zero > $d/fill; done"
    assert (await room.run(script)).output.count("No space left on device") == 3


async def test_flood_of_output_is_cut_in_the_middle(room: Room) -> None:
    """Head and tail stay, and the number of omitted bytes is exact."""
    limits = Limits(seconds=60, output_bytes=1000)
    result = await room.run("echo first; head -c 40M /dev/zero | tr '\\0' x; echo; echo last", limits=limits)
    assert result.output.startswith("first\n")
    assert result.output.endswith("x\nlast\n")
    assert result.omitted_bytes == 40 * MIB + 12 - 1000
    assert f"[... {result.omitted_bytes} bytes omitted ...]" in result.output
