"""Let one server own a data directory."""

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from bot.errors import UserFault


class AlreadyRunning(UserFault):
    """Another process holds the data directory."""


class Lock:
    """An exclusive lock on a file, which the kernel drops when the process dies, however it dies."""

    def __init__(self, path: Path, wait_seconds: float = 0) -> None:
        self._path = path
        self._wait_seconds = wait_seconds
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Take the lock; raises AlreadyRunning when another process keeps it for longer than we wait."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + self._wait_seconds
        while not self._taken():
            if time.monotonic() >= deadline:
                owner = os.pread(self._descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
                os.close(self._descriptor)
                raise AlreadyRunning(
                    f"another Journeyman (process {owner}) already runs on {self._path.parent}: "
                    "stop it, or give this one its own JOURNEYMAN_DATA_DIR"
                )
            time.sleep(0.1)  # flock offers no timed wait
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        """Give the lock back."""
        os.close(self._descriptor)
