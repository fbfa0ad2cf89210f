"""Decide which files of a tree say what it depends on, and read them without ever following a link."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

_NAMED = re.compile(
    r"pyproject\.toml|setup\.py|setup\.cfg|tox\.ini|pytest\.ini|uv\.lock|poetry\.lock|pdm\.lock|Pipfile(\.lock)?"
    r"|PKG-INFO|\.python-version|environment\.ya?ml|pylock(\.[\w-]+)?\.toml"
    r"|[\w.-]*(requirements|constraints)[\w.-]*\.(txt|in)|conftest\.py"
    r"|package\.json|package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock|\.npmrc"
    r"|(CHANGES|CHANGELOG|HISTORY|NEWS)(\.(md|rst|txt))?",
    re.IGNORECASE,
)
_TOLD_ONLY = re.compile(r"(CHANGES|CHANGELOG|HISTORY|NEWS)(\.\w+)?|conftest\.py", re.IGNORECASE)
_FOLDERS = ("requirements", "reqs", "test", "tests")
_FILE_LIMIT = 16 << 20
_ENTRIES = 5_000


def read(tree: Path, working_directory: str = ".") -> dict[str, bytes]:
    """Return the files by path below the working directory; no links, no special files, none over 16 MiB.

    The tree may be written by the model, so each part of a path is opened by itself and never through a link.
    A folder's own name ends in a slash and has no content.
    """
    found: dict[str, bytes] = {}
    with _folder(tree, PurePosixPath(working_directory).parts) as top:
        if top is None:
            return found
        for name in _names(top):
            if _is_folder(top, name):
                found[f"{name}/"] = b""
            elif _NAMED.fullmatch(name) or name.endswith(".py"):
                content = _content(top, name)
                if content is not None:
                    found[name] = content if _NAMED.fullmatch(name) else b""
        for folder in _FOLDERS:
            if f"{folder}/" in found:
                found |= _inside(top, folder)
    return found


def _inside(top: int, folder: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with _folder_at(top, folder) as below:
        if below is None:
            return found
        for name in _names(below):
            if name.endswith(".txt") and (folder not in {"test", "tests"} or "require" in name):
                content = _content(below, name)
                if content is not None:
                    found[f"{folder}/{name}"] = content
    return found


def digest(files: Mapping[str, bytes]) -> str:
    """Return the hash of what the dependencies come from: the same hash, the same environment."""
    total = hashlib.sha256()
    for path, content in sorted(files.items()):
        if content and not _TOLD_ONLY.fullmatch(path):
            total.update(f"{len(path)}:{path}:{len(content)}:".encode() + content)
    return total.hexdigest()


@contextmanager
def _folder(tree: Path, parts: tuple[str, ...]) -> Iterator[int | None]:
    current: int | None = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            below = _open(current, part, os.O_DIRECTORY) if current is not None and part != ".." else None
            if current is not None:
                os.close(current)
            current = below
        yield current
    finally:
        if current is not None:
            os.close(current)


@contextmanager
def _folder_at(top: int, name: str) -> Iterator[int | None]:
    descriptor = _open(top, name, os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _names(folder: int) -> list[str]:
    return sorted(os.listdir(folder))[:_ENTRIES]


def _open(folder: int, name: str, flags: int = 0) -> int | None:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | flags, dir_fd=folder)
    except OSError:
        return None


def _is_folder(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _content(folder: int, name: str) -> bytes | None:
    descriptor = _open(folder, name)
    if descriptor is None:
        return None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _FILE_LIMIT:
            return None
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(_FILE_LIMIT)
    finally:
        os.close(descriptor)
