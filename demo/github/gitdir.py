"""A git directory decides what git says about one bare repository: refs, commits, trees and blobs."""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

ZERO = "0" * 40
_SHA = re.compile(r"[0-9a-f]{40}")
_RECORD = "%x1e%H%x1f%T%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cn%x1f%ce%x1f%cI%x1f%B%x1f"
SETTINGS = """[safe]
    directory = *
[http]
    receivepack = true
[uploadpack]
    allowAnySHA1InWant = true
    allowFilter = true
[receive]
    fsckObjects = true
    autogc = false
[gc]
    auto = 0
"""


class GitError(Exception):
    """Git answered with a non-zero exit code; the text is what it said."""


@dataclass(frozen=True)
class Person:
    """An author or committer as a commit names them; `date` is ISO 8601."""

    name: str
    email: str
    date: str


@dataclass(frozen=True)
class Commit:
    """One commit; `changes` (status letter and path) is filled by `log` alone."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str
    changes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FileChange:
    """One path that differs between two commits; `patch` is empty for binary files."""

    path: str
    status: str
    added: int
    removed: int
    sha: str
    patch: str
    previous: str | None = None


@dataclass(frozen=True)
class Entry:
    """One entry of a tree."""

    mode: str
    kind: str
    sha: str
    size: int | None
    path: str


def environment(root: Path) -> dict[str, str]:
    """Return an environment for git that no settings of the machine reach; `root` holds a `gitconfig`."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(root),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(root / "gitconfig"),
        "GIT_TERMINAL_PROMPT": "0",
    }


class GitDir:
    """One bare repository on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._commits: dict[str, Commit] = {}

    async def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Return what `git ARGUMENTS` prints; raises GitError with git's words when it fails."""
        process = await asyncio.create_subprocess_exec(
            "git",
            f"--git-dir={self.path}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(self.path.parent.parent),
            cwd=self.path.parent,
        )
        output, errors = await process.communicate(stdin)
        if process.returncode:
            raise GitError(f"git {' '.join(arguments)}: {errors.decode(errors='replace').strip()}")
        return output

    def ref(self, name: str) -> str | None:
        """Return the commit of a full ref name (`refs/heads/x`) straight from the files, None when absent."""
        if ".." in name or name.startswith("/"):
            return None
        loose = self.path / name
        try:
            return loose.read_text().strip()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return self._packed().get(name)

    def _packed(self) -> dict[str, str]:
        packed = self.path / "packed-refs"
        if not packed.exists():
            return {}
        lines = (line.split(" ", 1) for line in packed.read_text().splitlines() if line[:1] not in "#^")
        return {name: sha for sha, name in lines}

    async def refs(self, prefix: str = "refs/heads/") -> dict[str, str]:
        """Return every ref below the prefix with its object."""
        output = await self.run("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        pairs = (line.split(" ", 1) for line in output.decode().splitlines())
        return {name: sha for sha, name in pairs}

    async def resolve(self, name: str) -> str | None:
        """Return the commit of a branch, tag or SHA, None when there is none."""
        known = self.ref(f"refs/heads/{name}") or self.ref(f"refs/tags/{name}") or self.ref(name)
        if known and _SHA.fullmatch(known):
            return known
        if name.startswith("-"):
            return None
        try:
            return (await self.run("rev-parse", "--verify", "-q", f"{name}^{{commit}}")).decode().strip()
        except GitError:
            return None

    async def set_ref(self, name: str, sha: str | None) -> None:
        """Point a ref at a commit, or delete it when `sha` is None."""
        await self.run("update-ref", *(("-d", name) if sha is None else (name, sha)))

    async def log(self, *selection: str, limit: int = 250) -> list[Commit]:
        """Return the selected commits with their changed paths, newest first."""
        output = await self.run(
            "log", f"-n{limit}", "--name-status", "--no-renames", f"--format={_RECORD}", *selection, "--"
        )
        records = output.decode(errors="replace").split("\x1e")[1:]
        return [self._parse(record) for record in records]

    def _parse(self, record: str) -> Commit:
        sha, tree, parents, an, ae, ad, cn, ce, cd, message, tail = record.split("\x1f")
        pairs = (line.split("\t", 1) for line in tail.splitlines() if "\t" in line)
        return Commit(
            sha,
            tree,
            tuple(parents.split()),
            Person(an, ae, ad),
            Person(cn, ce, cd),
            message.rstrip("\n"),
            tuple((status[0], path) for status, path in pairs),
        )

    async def commit(self, sha: str) -> Commit:
        """Return one commit; raises GitError when the repository has no such commit."""
        if sha not in self._commits:
            self._commits[sha] = (await self.log(sha, limit=1))[0]
        return self._commits[sha]

    async def is_ancestor(self, older: str, newer: str) -> bool:
        """Decide whether `newer` contains `older`."""
        try:
            await self.run("merge-base", "--is-ancestor", older, newer)
        except GitError:
            return False
        return True

    async def merge(self, base: str, head: str) -> str | None:
        """Return the tree of a merge without conflicts, None when the two conflict."""
        try:
            output = await self.run("merge-tree", "--write-tree", base, head)
        except GitError:
            return None
        return output.decode().split()[0]

    async def tree(self, name: str, *, recursive: bool = False) -> list[Entry]:
        """Return the entries of a tree or commit (`sha` or `sha:path`); raises GitError without one."""
        output = await self.run("ls-tree", "-lz", *(("-r", "-t") if recursive else ()), name)
        entries = []
        for line in output.decode(errors="replace").split("\0")[:-1]:
            facts, path = line.split("\t", 1)
            mode, kind, sha, size = facts.split()
            entries.append(Entry(mode, kind, sha, None if size == "-" else int(size), path))
        return entries

    async def blob(self, sha: str) -> bytes:
        """Return a blob's bytes."""
        return await self.run("cat-file", "blob", sha)

    async def write_commit(
        self, tree: str, parents: list[str], message: str, name: str, email: str, when: int
    ) -> str:
        """Write a commit object for a tree that exists, and return its id."""
        lines = [f"tree {tree}", *(f"parent {each}" for each in parents)]
        lines += [f"{role} {name} <{email}> {when} +0000" for role in ("author", "committer")]
        text = "\n".join(lines) + f"\n\n{message.rstrip()}\n"
        output = await self.run("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())
        return output.decode().strip()
