"""Decide how a secret gets onto the disk: readable by its owner only, whole, and never over anything else."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from bot.errors import UserFault

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def refuse_taken(paths: list[Path]) -> None:
    """Raise UserFault unless all of the files can be made: none exists, not even as a dangling link."""
    for path in paths:
        if os.path.lexists(path):
            raise UserFault(
                f"{path} exists already and is never overwritten: move it away, or give another --out"
            )
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, _NEW, 0o600))
            path.unlink()
        except OSError as problem:
            raise UserFault(f"{path} can't be written: {problem.strerror}") from None


def write(texts: Mapping[Path, str]) -> None:
    """Write new files of mode 0600, all or none; raises UserFault naming the one that can't be."""
    made: list[Path] = []
    try:
        for path, text in texts.items():
            descriptor = os.open(path, _NEW, 0o600)
            made.append(path)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(descriptor, 0o600)  # whatever the umask
                file.write(text)
                file.flush()
                os.fsync(descriptor)
    except BaseException as problem:
        for path in made:
            with contextlib.suppress(OSError):
                path.unlink()
        if isinstance(problem, OSError):
            raise UserFault(f"{problem.filename or 'a file'} can't be written: {problem.strerror}") from None
        raise
