"""Read a file from a tree that an agent could write, and refuse whatever is not plainly a file in that tree.

A report that is a symlink to /proc/self/environ would otherwise hand out the bot's keys.
"""

import ctypes
import errno
import os
import stat
from pathlib import Path, PurePosixPath

from bot.errors import UserFault

_OPENAT2 = 437  # the same number on every architecture
_BENEATH, _NO_SYMLINKS, _NO_MAGICLINKS, _NO_XDEV = 0x08, 0x04, 0x02, 0x01
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafeFileError(UserFault):
    """What is at the path is not a plain file of a bearable size inside the tree."""


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def read(root: Path, relative: str, limit: int) -> bytes:
    """Return the bytes of one regular file below `root`.

    Raises FileNotFoundError when there is none, UnsafeFileError for a symlink on the way, a path that leaves
    the tree or its disk, a FIFO, device or folder, a second hard link, or more than `limit` bytes.
    """
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts or "\0" in relative:
        raise UnsafeFileError(f"{relative!r} is not a path inside the tree")
    folder = os.open(root, _FOLDER)
    try:
        descriptor = _open(folder, parts, relative)
    finally:
        os.close(folder)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise UnsafeFileError(f"{relative!r} is not a regular file")
        if facts.st_nlink != 1:
            raise UnsafeFileError(f"{relative!r} has a second name somewhere")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise UnsafeFileError(f"{relative!r} is larger than {limit} bytes")
    return content


def _open(folder: int, parts: tuple[str, ...], relative: str) -> int:
    try:
        return _openat2(folder, "/".join(parts))
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM}:  # an old kernel, or a filter around us
            return _step_by_step(folder, parts, relative)
        raise _refusal(error, relative) from error


def _openat2(folder: int, path: str) -> int:
    how = _How(_FLAGS, 0, _BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS | _NO_XDEV)
    libc = ctypes.CDLL(None, use_errno=True)
    while True:
        found = libc.syscall(_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            return int(found)
        number = ctypes.get_errno()
        if number not in {errno.EAGAIN, errno.EINTR}:  # EAGAIN: something was renamed meanwhile
            raise OSError(number, os.strerror(number), path)


def _step_by_step(folder: int, parts: tuple[str, ...], relative: str) -> int:
    """Open one name after the other, following no link and changing no disk."""
    disk = os.fstat(folder).st_dev
    here = os.dup(folder)
    try:
        for name in parts[:-1]:
            below = os.open(name, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
        found = os.open(parts[-1], _FLAGS | os.O_NOFOLLOW, dir_fd=here)
    except OSError as error:
        raise _refusal(error, relative) from error
    finally:
        os.close(here)
    if os.fstat(found).st_dev != disk:
        os.close(found)
        raise UnsafeFileError(f"{relative!r} lies on another disk")
    return found


def _refusal(error: OSError, relative: str) -> OSError | UnsafeFileError:
    if error.errno == errno.ENOENT:
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), relative)
    reason = os.strerror(error.errno or 0)
    return UnsafeFileError(f"{relative!r} cannot be opened as a plain file of the tree ({reason})")
