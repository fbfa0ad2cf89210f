"""Decide what a change may contain if Journeyman is to publish it."""

import posixpath
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.workspace.objects import GITLINK, SYMLINK, Change

FILE_BYTES = 5 * 1024 * 1024
FILES = 300  # a reviewer reads no more, and neither does GitHub's pull request page show more
NAME_BYTES = 255  # one component of a path on every common file system

# Names that some file system takes for `.git`: Windows short names, trailing dots, spaces and streams.
GIT_LIKE = re.compile(r"(?:\.git|git~[0-9]+)[ .]*(?::.*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Violation:
    """One thing that keeps a change from being published; `why` is a sentence for the maintainer."""

    path: str  # printable; empty when the change as a whole is meant
    why: str


def check(changes: Sequence[Change], deny: Sequence[str] = ()) -> list[Violation]:
    """Return what forbids publishing `changes`; an empty list allows it.

    `deny` holds the globs of `paths.deny`: `*` stays within a folder, `**` does not, and a pattern that names
    a folder covers all below it; upper and lower case count as the same, as on the machines of some readers.
    Deleting a denied file is a violation too.
    """
    patterns = [(glob, _pattern(glob)) for glob in deny]
    found = [Violation(printable(one.path), why) for one in changes for why in _reasons(one, patterns)]
    if len(changes) > FILES:
        found.append(Violation("", f"The change touches {len(changes)} files; at most {FILES} are allowed."))
    return found


def printable(path: str) -> str:
    """Return a path as it may be shown: every byte or character that hides or misleads is escaped."""
    return "".join(one if _visible(one) else one.encode("unicode_escape").decode() for one in path)


def _reasons(change: Change, patterns: Sequence[tuple[str, re.Pattern[str]]]) -> Iterator[str]:
    shown = printable(change.path)
    for glob, pattern in patterns:
        if pattern.fullmatch(change.path):
            yield f"`{shown}` may not be changed: the configuration denies `{printable(glob)}`."
    parts = change.path.split("/")
    if parts[-1].lower() == ".gitmodules":
        yield f"`{shown}` may not be changed: it decides what git downloads and where it puts it."
    if GITLINK in {change.old_mode, change.new_mode}:
        yield f"`{shown}` is a repository of its own (a submodule); only files can be published."
    if change.new_mode == "000000":
        return
    yield from _names(shown, change.path, parts)
    if change.new_mode == SYMLINK and _escapes(change.path, change.link or ""):
        yield f"`{shown}` is a symbolic link that leads out of the repository."
    if change.size > FILE_BYTES:
        yield f"`{shown}` has {change.size / 1024 / 1024:.1f} MiB; at most 5 MiB are allowed."


def _names(shown: str, path: str, parts: Sequence[str]) -> Iterator[str]:
    if any(_git_like(part) for part in parts):
        yield f"`{shown}` has a name that some systems take for git's own folder."
    if any("\udc80" <= one <= "\udcff" for one in path):
        yield f"`{shown}` has a name that is not UTF-8."
    elif not all(_visible(one) for one in path):
        yield f"`{shown}` has a name with control or invisible characters."
    if any(len(part.encode("utf-8", "surrogateescape")) > NAME_BYTES for part in parts):
        yield f"`{shown[:80]}…` has a name of more than {NAME_BYTES} bytes."


def _visible(character: str) -> bool:
    # Cc control, Cf format (zero width, direction), Cs surrogate (no UTF-8), Co private use, Zl and Zp lines
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _git_like(part: str) -> bool:
    # HFS+ ignores format characters in names; a backslash is a separator on Windows
    plain = "".join(one for one in part if unicodedata.category(one) != "Cf")
    return any(GIT_LIKE.fullmatch(piece) for piece in plain.split("\\"))


def _escapes(path: str, target: str) -> bool:
    """Return whether a link may lead out of the repository.

    A `..` after a name is refused whatever it says: that name may itself be a link, and then no reading of
    the text alone can tell where it leads.
    """
    if not target or target.startswith("/") or "\0" in target:
        return True
    steps = [step for step in target.split("/") if step not in {"", "."}]
    up = next((place for place, step in enumerate(steps) if step != ".."), len(steps))
    if ".." in steps[up:] or any(_git_like(step) for step in steps):
        return True
    return up > len([step for step in posixpath.dirname(path).split("/") if step])


def _pattern(glob: str) -> re.Pattern[str]:
    """Return the expression of a glob; it matches a path, or a folder together with all below it."""
    text = glob.strip().removeprefix("./").strip("/")
    pieces = re.split(r"(\*\*/|/\*\*|\*\*|\*|\?)", text)
    words = {"**/": "(?:.*/)?", "/**": "(?:/.*)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = "".join(words.get(piece) or re.escape(piece) for piece in pieces)
    if "/" not in text:
        body = f"(?:.*/)?{body}"  # as in .gitignore, a bare name is meant at any depth
    return re.compile(f"{body}(?:/.*)?", re.IGNORECASE | re.DOTALL)
