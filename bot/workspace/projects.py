"""Decide which folders of this machine an API session may work on: git work trees below a configured root."""

from collections.abc import Sequence
from pathlib import Path

MOST_LINK_BYTES = 4096  # of a `.git` file, which holds one path


def find(text: str, roots: Sequence[str]) -> Path | None:
    """Return the work tree's real path, or None for anything that no root allows; touches the disk.

    Symbolic links are followed first, so that what counts is where the folder and its history really lie.
    """
    path = Path(text)
    if not path.is_absolute():
        return None
    try:
        real = path.resolve(strict=True)
        allowed = [Path(root).expanduser().resolve() for root in roots]
        if not any(real.is_relative_to(root) for root in allowed):
            return None
        history = _history(real)
    except (OSError, RuntimeError, ValueError):  # not there, a circle of links, a name that nothing can have
        return None
    if history is None or not any(history.is_relative_to(root) for root in allowed):
        return None
    return real


def _history(tree: Path) -> Path | None:
    """Return the folder that holds the objects of the work tree with that top, None when it is none.

    `.git` is the repository, or a file that names it (a linked work tree, a submodule): gitrepository-layout.
    """
    git = (tree / ".git").resolve(strict=True)
    if git.is_file():
        with git.open("rb") as file:
            line = file.read(MOST_LINK_BYTES).decode("utf-8", "surrogateescape")
        if not line.startswith("gitdir: "):
            return None
        git = (tree / line.removeprefix("gitdir: ").rstrip("\n")).resolve(strict=True)
    common = git / "commondir"
    where = git
    if common.is_file():
        where = (git / common.read_text("utf-8").strip()).resolve(strict=True)
    return where if (git / "HEAD").is_file() and (where / "objects").is_dir() else None
