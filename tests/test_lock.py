"""One process owns a data directory, and no longer than it lives."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from bot.lock import AlreadyRunning, Lock

CHECKOUT = Path(__file__).resolve().parents[1]
HOLD = """
import sys
from pathlib import Path
from bot.lock import Lock

with Lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


async def _holder(path: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(path), stdin=-1, stdout=-1, cwd=CHECKOUT
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    return process


async def test_the_second_is_told_who_is_the_first(tmp_path: Path) -> None:
    """While another process holds the lock, taking it raises with that process's id and the fix."""
    holder = await _holder(tmp_path / "lock")
    with pytest.raises(AlreadyRunning, match=rf"process {holder.pid}\) already runs .*JOURNEYMAN_DATA_DIR"):
        Lock(tmp_path / "lock").__enter__()
    holder.kill()
    await holder.wait()


async def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    """After `kill -9` the lock is free at once, whatever stands in its file."""
    holder = await _holder(tmp_path / "lock")
    holder.kill()
    await holder.wait()
    with Lock(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() != f"{holder.pid}\n"


async def test_waiting_ends_when_the_lock_is_free(tmp_path: Path) -> None:
    """Who may wait gets the lock once the other process has ended, and else gives up at its time."""
    holder = await _holder(tmp_path / "lock")
    begun = time.monotonic()
    with pytest.raises(AlreadyRunning):
        await asyncio.to_thread(Lock(tmp_path / "lock", wait_seconds=0.3).__enter__)
    assert time.monotonic() - begun >= 0.3
    waiting = Lock(tmp_path / "lock", wait_seconds=30)
    entering = asyncio.create_task(asyncio.to_thread(waiting.__enter__))
    holder.kill()
    await holder.wait()
    await entering
    waiting.__exit__()


def test_a_lock_given_back_can_be_taken_again(tmp_path: Path) -> None:
    """After the block the same process may take it anew, and in a nested block it may not."""
    for _ in range(2):
        with Lock(tmp_path / "lock"), pytest.raises(AlreadyRunning):
            Lock(tmp_path / "lock").__enter__()
