"""Read what a repository's objects say: files, contents, differences; no work tree is involved."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.errors import Blocked
from bot.workspace import faults, git

FULL_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
LINK_BYTES = 4096  # a longer target is no path that Linux could follow
GITLINK, SYMLINK = "160000", "120000"


@dataclass(frozen=True)
class Change:
    """One path that differs between a base and a tree; a rename is a deletion and an addition."""

    path: str  # bytes that are not UTF-8 come as surrogates, as `os.fsdecode` makes them
    status: str  # "A" added, "M" modified, "D" deleted, "T" another type
    old_mode: str  # as git writes them: "100644", "100755", "120000", "160000", "000000" for nothing
    new_mode: str
    size: int  # bytes of the new content; 0 when there is none
    added: int | None  # lines; None for a binary file
    removed: int | None
    blob: str  # object id of the new content, all zeros when there is none
    link: str | None = None  # where a symbolic link points


@dataclass(frozen=True)
class Entry:
    """One file of a tree."""

    path: str
    mode: str
    blob: str
    size: int  # bytes; 0 for a submodule


class Objects:
    """A bare repository together with the objects that it borrows."""

    def __init__(self, path: Path, borrow: Sequence[Path] = ()) -> None:
        self.path = path
        self.borrow = tuple(borrow)

    @property
    def objects(self) -> Path:
        """Return the folder of the repository's own objects."""
        return self.path / "objects"

    async def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run a git command that needs no network here; see `git.run`."""
        return await git.run(arguments, git_dir=self.path, borrow=self.borrow, stdin=stdin)

    async def resolve(self, ref: str) -> str:
        """Return the commit id that `ref` names: "HEAD" (the remote's), a branch, "refs/...", or an id.

        Raises Blocked when there is no such commit.
        """
        name = _full_name(ref)
        try:
            found = await self.git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
        except faults.GitError as error:
            if error.exit_code not in {1, 128}:
                raise
            raise Blocked(f"there is no commit for {ref!r} in the repository") from None
        return found.decode().strip()

    async def tree_of(self, commit: str) -> str:
        """Return the id of the tree of `commit` (of itself, when it is a tree)."""
        found = await self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{tree}}")
        return found.decode().strip()

    async def merge_base(self, one: str, other: str) -> str | None:
        """Return the commit where two histories parted, None when they have nothing in common."""
        try:
            found = await self.git("merge-base", one, other)
        except faults.GitError as error:
            if error.exit_code == 1:
                return None
            raise
        return found.decode().split()[0]

    async def written(self, since: str, until: str) -> list[tuple[str, list[str]]]:
        """Return author's address and changed paths of each commit after `since` up to `until`, newest first.

        A merge names no paths: what it brings was changed elsewhere.
        """
        told = await self.git(
            "log", "-z", "--no-renames", "--name-only", "--format=%x01%ae", f"{since}..{until}"
        )
        commits = told.decode("utf-8", "surrogateescape").split("\x01")[1:]
        parts = [[part.strip("\n") for part in commit.split("\0")] for commit in commits]
        return [(found[0], [path for path in found[1:] if path]) for found in parts]

    async def entries(self, tree: str, *paths: str) -> list[Entry]:
        """Return the files of `tree` in git's order, or only `paths`; folders are not listed."""
        wanted = ["--", *paths] if paths else []
        recursive = [] if paths else ["-r"]
        listing = await self.git("ls-tree", "-z", "--long", *recursive, tree, *wanted)
        return [entry for record in listing.split(b"\0") if record and (entry := _entry(record))]

    async def files(self, tree: str) -> list[str]:
        """Return the paths of all files (links included, submodules not) of a tree or commit."""
        return [entry.path for entry in await self.entries(tree) if entry.mode != GITLINK]

    async def read(self, tree: str, path: str, limit: int) -> bytes | None:
        """Return a regular file's content; None when absent, no regular file, or above `limit` bytes."""
        found = await self.read_all(tree, [path], limit)
        return found.get(path)

    async def read_all(self, tree: str, paths: Sequence[str], limit: int) -> dict[str, bytes]:
        """Return the contents of those `paths` that are regular files of at most `limit` bytes each."""
        few = len(paths) <= 50  # more would make a long command line; then the whole tree is listed
        wanted = set(paths)
        entries = await self.entries(tree, *paths) if few and paths else await self.entries(tree)
        kept = [
            entry
            for entry in entries
            if entry.path in wanted and entry.mode.startswith("100") and entry.size <= limit
        ]
        contents = await self.blobs({entry.blob for entry in kept})
        return {entry.path: contents[entry.blob] for entry in kept}

    async def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of blobs by id; ids that are no blobs here are left out."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        output = await self.git("cat-file", "--batch", stdin="".join(f"{one}\n" for one in wanted).encode())
        contents, position = {}, 0
        while position < len(output):
            end = output.index(b"\n", position)
            words = output[position:end].decode().split(" ")
            position = end + 1
            if len(words) != 3:  # "ID missing"
                continue
            size = int(words[2])
            if words[1] == "blob":
                contents[words[0]] = output[position : position + size]
            position += size + 1
        return contents

    async def changes(self, base: str, tree: str) -> list[Change]:
        """Return what differs from `base` (commit or tree) to `tree`, in git's order."""
        output = await self.git("diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", base, tree)
        raw, counts = _split_raw(output)
        present = {blob for _, _, new_mode, blob, _ in raw if new_mode not in {"000000", GITLINK}}
        sizes = await self._sizes(present)
        links = await self.blobs(
            blob for _, _, mode, blob, _ in raw if mode == SYMLINK and sizes.get(blob, 0) <= LINK_BYTES
        )
        return [
            Change(
                path=os.fsdecode(path),
                status=status,
                old_mode=old_mode,
                new_mode=new_mode,
                size=sizes.get(blob, 0) if new_mode not in {"000000", GITLINK} else 0,
                added=counts.get(path, (0, 0))[0],
                removed=counts.get(path, (0, 0))[1],
                blob=blob,
                link=os.fsdecode(links.get(blob, b"")) if new_mode == SYMLINK else None,
            )
            for path, old_mode, new_mode, blob, status in raw
        ]

    async def diff(self, base: str, tree: str, limit: int) -> str:
        """Return the difference as a patch of at most `limit` bytes; a cut one says so in its last line."""
        arguments = ("diff-tree", "-r", "-p", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
        kept, size = await git.run_capped(
            (*arguments, base, tree), git_dir=self.path, borrow=self.borrow, limit=limit
        )
        text = kept.decode("utf-8", "replace")
        if size <= limit:
            return text
        whole_lines = text[: text.rfind("\n") + 1]
        return f"{whole_lines}[cut here: {len(whole_lines.encode())} of {size} bytes shown]\n"

    async def added(self, base: str, changes: Sequence[Change], limit: int) -> dict[str, str]:
        """Return, by path, the lines that `changes` add to `base`; contents above `limit` bytes are left out.

        A line counts as added when the old content of the same path does not have it.
        """
        kept = [one for one in changes if one.new_mode not in {"000000", GITLINK} and one.size <= limit]
        modified = [one.path for one in kept if one.status != "A"]
        before = await self.read_all(base, modified, limit) if modified else {}
        after = await self.blobs(one.blob for one in kept)
        return {one.path: _added(before.get(one.path, b""), after.get(one.blob, b"")) for one in kept}

    async def _sizes(self, ids: set[str]) -> dict[str, int]:
        if not ids:
            return {}
        listing = await self.git(
            "cat-file", "--batch-check", stdin="".join(f"{one}\n" for one in ids).encode()
        )
        words = (line.split(" ") for line in listing.decode().splitlines())
        return {word[0]: int(word[2]) for word in words if len(word) == 3}


def branch_ref(name: str) -> str:
    """Return "refs/heads/NAME"; raises Blocked for a name that git would not take as a branch."""
    odd = re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)", name)
    if odd or not name or name[0] in "-./" or name[-1] in "./" or name == "@" or len(name) > 250:
        raise Blocked(f"{name!r} is no name for a branch")
    return f"refs/heads/{name}"


def _full_name(ref: str) -> str:
    if ref == "HEAD":
        return "refs/journeyman/HEAD"
    if FULL_ID.fullmatch(ref):
        return ref
    if ref.startswith("refs/"):
        branch_ref(ref)  # the same rules hold for every ref
        return ref
    return branch_ref(ref)


def _entry(record: bytes) -> Entry | None:
    facts, _, path = record.partition(b"\t")
    mode, kind, blob, size = facts.decode().split()
    if kind == "tree":
        return None
    return Entry(os.fsdecode(path), mode, blob, 0 if size == "-" else int(size))


def _split_raw(
    output: bytes,
) -> tuple[list[tuple[bytes, str, str, str, str]], dict[bytes, tuple[int | None, int | None]]]:
    """Take `--raw --numstat -z` apart: (path, old mode, new mode, new blob, status); the counts by path."""
    raw, counts = [], {}
    fields = iter(output.split(b"\0"))
    for field in fields:
        if field.startswith(b":"):
            old_mode, new_mode, _, blob, status = field[1:].decode().split(" ")
            raw.append((next(fields), old_mode, new_mode, blob, status))
        elif field:
            added, removed, path = field.split(b"\t", 2)
            counts[path] = (_count(added), _count(removed))
    return raw, counts


def _count(number: bytes) -> int | None:
    return None if number == b"-" else int(number)


def _added(before: bytes, after: bytes) -> str:
    old = set(before.splitlines())
    return "\n".join(line.decode("utf-8", "replace") for line in after.splitlines() if line not in old)
