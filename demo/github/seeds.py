"""A seed decides what a repository holds at first: commits of plain files, or of another git directory."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo.github import hook
from demo.github.gitdir import SETTINGS, ZERO, GitDir
from demo.github.installs import Installs
from demo.github.repository import Repository
from demo.github.threads import Who

Files = Mapping[str, str | bytes | None]
FIRST_COMMIT = 1_767_225_600  # 2026-01-01T00:00:00Z: seeded commits have the same ids everywhere
SEEDER = "Sam Seeder <sam@example.com>"


class Seeds(Installs):
    """Where repositories and commits come from."""

    async def seed_repository(
        self,
        full_name: str,
        files: Files,
        history: Sequence[tuple[str, Files]] = (),
        *,
        private: bool = True,
        default_branch: str = "main",
        owner_type: str = "Organization",
    ) -> Repository:
        """Return a new repository, reached by its owner's installation.

        `files` (path to text; one that starts with `#!` is executable) make the first commit; each entry of
        `history` (message, files; None deletes one) makes a commit on top. Dates and identities never vary.
        """
        repo = await self._new_repository(full_name, private, default_branch, owner_type)
        await repo.git.run("init", "-q", "--bare", f"--initial-branch={default_branch}", str(repo.git.path))
        stream = b""
        for number, (message, changes) in enumerate([("Initial commit", files), *history]):
            when = FIRST_COMMIT + 3600 * number
            stream += _commit_stream(f"refs/heads/{default_branch}", SEEDER, when, message) + _file_stream(
                changes
            )
        await repo.git.run("fast-import", "--quiet", stdin=stream)
        return await self._ready(repo)

    async def import_repository(
        self, full_name: str, git_dir: Path, *, private: bool = True, owner_type: str = "Organization"
    ) -> Repository:
        """Return a new repository with the branches and tags of another git directory (or work tree)."""
        repo = await self._new_repository(full_name, private, "main", owner_type)
        await repo.git.run("clone", "-q", "--bare", "--no-hardlinks", str(git_dir), str(repo.git.path))
        head = (await repo.git.run("symbolic-ref", "--short", "HEAD")).decode().strip()
        repo.default_branch = head
        return await self._ready(repo)

    async def _new_repository(
        self, full_name: str, private: bool, branch: str, owner_type: str
    ) -> Repository:
        owner, name = full_name.split("/")
        folder = self.root / "repositories"
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread((self.root / "gitconfig").write_text, SETTINGS)
        identity = self.new_id()
        repo = Repository(
            identity,
            self.user(owner, owner_type),
            name,
            GitDir(folder / f"{identity}.git"),
            self.stamp(),
            private,
            branch,
        )
        self.issues[repo.id], self.pulls[repo.id] = {}, {}
        return repo

    async def _ready(self, repo: Repository) -> Repository:
        await asyncio.to_thread(hook.install, repo.git.path)
        self.repositories[repo.full_name.lower()] = repo
        if self.installation_of(repo) is None:
            self.install(repo.owner)
        return repo

    async def commit(
        self,
        repo: str | Repository,
        branch: str,
        files: Files,
        user: Who,
        message: str,
        base: str | None = None,
    ) -> str:
        """Commit files to a branch (made from `base` when new) as someone's push does, and return the commit.

        Emits `push`, and `pull_request.synchronize` for an open pull request from this branch.
        """
        repo, author = self.repository(repo), self.user(user)
        ref = f"refs/heads/{branch}"
        old = repo.git.ref(ref)
        parent = old or repo.git.ref(f"refs/heads/{base or repo.default_branch}")
        identity = f"{author.login} <{author.email}>"
        stream = _commit_stream(ref, identity, int(self.now()), message)
        stream += f"from {parent}\n".encode() if parent else b""
        await repo.git.run("fast-import", "--quiet", stdin=stream + _file_stream(files))
        new = repo.git.ref(ref) or ZERO
        await self.pushed(repo, author, [(ref, old or ZERO, new)])
        return new


def _data(content: str | bytes) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return b"data %d\n%s\n" % (len(raw), raw)


def _commit_stream(ref: str, identity: str, when: int, message: str) -> bytes:
    head = f"commit {ref}\nauthor {identity} {when} +0000\ncommitter {identity} {when} +0000\n"
    return head.encode() + _data(message)


def _file_stream(files: Files) -> bytes:
    lines = []
    for path, content in files.items():
        if content is None:
            lines.append(f"D {path}\n".encode())
            continue
        raw = content.encode() if isinstance(content, str) else content
        mode = "100755" if raw.startswith(b"#!") else "100644"
        lines.append(f"M {mode} inline {path}\n".encode() + _data(raw))
    return b"".join(lines)
