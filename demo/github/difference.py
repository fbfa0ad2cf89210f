"""A difference decides what changed between two commits, file by file, with its patch and its counts."""

import re

from demo.github.gitdir import FileChange, GitDir

STATUS = {"A": "added", "D": "removed", "M": "modified", "R": "renamed", "C": "copied", "T": "changed"}
_HEADER = re.compile(r"^diff --git ", re.MULTILINE)


async def between(git: GitDir, older: str, newer: str) -> list[FileChange]:
    """Return the changed files of a two-dot difference, in git's order."""
    output = await git.run(
        "diff", "--raw", "--numstat", "-z", "-M", "--no-abbrev", "--no-color", older, newer, "--"
    )
    raw, counts = _split(output.decode(errors="replace").split("\0")[:-1])
    text = await git.run("diff", "-M", "--no-color", "--no-ext-diff", older, newer, "--")
    parts = iter(_HEADER.split(text.decode(errors="replace"))[1:])
    changes = []
    for status, sha, path, previous in raw:
        patch = _body(next(parts))
        if status == "T":  # git words a change of type as a removal and an addition
            patch += "\n" + _body(next(parts))
        changes.append(FileChange(path, STATUS[status[0]], *counts[path], sha, patch, previous))
    return changes


def _split(fields: list[str]) -> tuple[list[tuple[str, str, str, str | None]], dict[str, tuple[int, int]]]:
    raw: list[tuple[str, str, str, str | None]] = []
    counts: dict[str, tuple[int, int]] = {}
    rest = iter(fields)
    for field in rest:
        if field.startswith(":"):
            _, _, old_sha, new_sha, status = field.split(" ")
            first = next(rest)
            path, previous = (next(rest), first) if status[0] in "RC" else (first, None)
            raw.append((status, old_sha if status == "D" else new_sha, path, previous))
            continue
        added, removed, path = field.split("\t")
        if not path:
            next(rest)
            path = next(rest)
        counts[path] = (0, 0) if added == "-" else (int(added), int(removed))
    return raw, counts


def _body(part: str) -> str:
    start = part.find("\n@@ ")
    return "" if start < 0 else part[start + 1 :].rstrip("\n")
