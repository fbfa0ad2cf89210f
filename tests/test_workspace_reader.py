"""Hold the reader to its promise: it reads plain files of the tree, whatever else is planted there."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.workspace import reader

LIMIT = 1000


@pytest.fixture(params=["openat2", "step by step"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a tree with a plain file and every trap, read with and without openat2."""
    if request.param == "step by step":

        def missing(folder: int, path: str) -> int:
            raise OSError(errno.ENOSYS, "no openat2", path)

        monkeypatch.setattr(reader, "_openat2", missing)
    root = tmp_path / "tree"
    (root / "reports").mkdir(parents=True)
    (root / "reports" / "junit.xml").write_bytes(b"<x/>")
    (tmp_path / "secret").write_bytes(b"key")
    (root / "link").symlink_to("/proc/self/environ")
    (root / "inner").symlink_to("reports/junit.xml")
    (root / "folder-link").symlink_to("reports")
    (root / "up").symlink_to("..")
    (root / "magic").symlink_to("/proc/self/cwd")
    os.mkfifo(root / "fifo")
    os.link(tmp_path / "secret", root / "hard")
    (root / "huge").write_bytes(b"x" * (LIMIT + 1))
    return root


def test_plain_file_is_read(tree: Path) -> None:
    """A regular file comes back whole, up to the limit exactly."""
    assert reader.read(tree, "reports/junit.xml", LIMIT) == b"<x/>"
    assert reader.read(tree, "./reports/junit.xml", 4) == b"<x/>"


@pytest.mark.parametrize(
    "path",
    [
        "link",
        "inner",
        "folder-link/junit.xml",
        "up/secret",
        "magic/x",
        "fifo",
        "hard",
        "huge",
        "reports",
        "reports/junit.xml/x",
        "../secret",
        "reports/../../secret",
        "/etc/passwd",
        "",
        ".",
        "a\0b",
    ],
)
def test_trap_is_refused(tree: Path, path: str) -> None:
    """Links, FIFOs, second names, large files, folders and ways out are refused, without waiting."""
    with pytest.raises(reader.UnsafeFileError):
        reader.read(tree, path, LIMIT)


@pytest.mark.parametrize("path", ["missing", "nowhere/missing"])
def test_missing_file_is_just_missing(tree: Path, path: str) -> None:
    """A file that isn't there is told apart from one that is refused."""
    with pytest.raises(FileNotFoundError):
        reader.read(tree, path, LIMIT)


def test_other_disk_is_refused() -> None:
    """A path that crosses into another file system is refused."""
    if os.stat("/proc").st_dev == os.stat("/").st_dev:  # noqa: PTH116
        pytest.fail("this machine has /proc on its root disk")
    with pytest.raises(reader.UnsafeFileError):
        reader.read(Path("/"), "proc/version", LIMIT)


def test_nothing_stays_open(tree: Path) -> None:
    """Neither a file read nor one refused leaves a descriptor."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for path in ("reports/junit.xml", "fifo", "link", "huge", "reports", "missing/x"):
        try:
            reader.read(tree, path, LIMIT)
        except (reader.UnsafeFileError, FileNotFoundError):
            continue
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
