"""Decide which host uid a task's processes run as: one slot per task folder, never shared by two.

Only root can hand out uids. A slot is a symbolic link `slots/UID` to the folder that holds it, so that taking
one is atomic across processes and survives a restart; a slot whose folder is gone is free again.
"""

import contextlib
import threading
from pathlib import Path

from bot.errors import Blocked

FIRST = 61000
LAST = 61183  # systemd's dynamic users begin at 61184
COMMON = FIRST  # for commands that can write nothing


class Slots:
    """The uids under one data folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    def claim(self, folder: Path) -> int:
        """Return a uid that belongs to `folder` alone; raises Blocked when every one is taken."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock:
            for uid in range(COMMON + 1, LAST + 1):
                link = self._root / str(uid)
                if link.is_symlink() and not link.readlink().exists():
                    link.unlink(missing_ok=True)
                with contextlib.suppress(FileExistsError):
                    link.symlink_to(folder)
                    return uid
        raise Blocked(f"All {LAST - FIRST} sandbox users are taken; end tasks or remove old workspaces.")

    def release(self, folder: Path) -> None:
        """Free the slots that `folder` holds."""
        if not self._root.is_dir():
            return
        for link in self._root.iterdir():
            if link.is_symlink() and link.readlink() == folder:
                link.unlink(missing_ok=True)

    @staticmethod
    def owner(folder: Path) -> int | None:
        """Return the slot uid that owns a folder, or None when it belongs to anyone else."""
        try:
            uid = folder.lstat().st_uid
        except FileNotFoundError:
            return None
        return uid if FIRST <= uid <= LAST else None
