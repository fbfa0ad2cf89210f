"""Keep one bare copy of each repository up to date; decide what is fetched into it."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import structlog

from bot.errors import Blocked, WorldFault
from bot.workspace import faults, git, objects
from bot.workspace.objects import Change, Objects

__all__ = ["Change", "Mirror", "Mirrors", "repository_url"]

log = structlog.get_logger(__name__)

LOCK_SECONDS = 900.0  # how long a fetch of another process may keep us waiting
LOCK_POLL_SECONDS = 0.05

# Written anew before every fetch: nothing that got into the file survives to see a token.
CONFIGURATION = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[gc]
\tauto = 0
"""

# GitHub's own rules, https://docs.github.com/en/enterprise-cloud@latest/admin/managing-iam/iam-configuration-reference/username-considerations-for-external-authentication
OWNER = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?"
NAME = r"[A-Za-z0-9._-]{1,100}"


class Mirror(Objects):
    """The bare copy of one repository; its objects are lent to tasks, so none is ever pruned."""


class Mirrors:
    """All mirrors below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._locks: dict[str, asyncio.Lock] = {}

    async def fetch(
        self,
        repository_id: str | int,
        url: str,
        authorization: str | None,
        refs: Sequence[str],
        *,
        local: bool = False,
    ) -> Mirror:
        """Bring the branches `refs` and the remote's HEAD up to date and return the mirror.

        One fetch per repository runs at a time, also across processes; one that was killed leaves nothing in
        the way. `authorization` is a whole header value (`git.basic`). `local` says that `url` is a path on
        this machine. Raises Blocked for a branch or repository that isn't there, WorldFault when the
        network fails, faults.TokenRefused for a stale token.
        """
        name = folder_name(repository_id)
        path = self.root / name
        remote = git.Remote(url, authorization, local)
        specs = ["+HEAD:refs/journeyman/HEAD", *(f"+{ref}:{ref}" for ref in map(objects.branch_ref, refs))]
        async with self._locks.setdefault(name, asyncio.Lock()), self._alone(name) as lock:
            await asyncio.to_thread(_prepare, path)
            if not (path / "HEAD").exists():
                await git.run(("init", "--bare", "--quiet", "--template="), git_dir=path, keep_fds=(lock,))
            await asyncio.to_thread(_write_configuration, path)
            await self._fetch(path, remote, specs, lock)
        log.info("mirror.fetched", repository=str(repository_id), branches=list(refs))
        return Mirror(path)

    async def default_branch(self, url: str, authorization: str | None, *, local: bool = False) -> str | None:
        """Return the branch that the remote's HEAD names; None when it is detached or the remote is empty."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        remote = git.Remote(url, authorization, local)
        listing = await git.run(
            ("ls-remote", "--symref", "--", url, "HEAD"), git_dir=self.root, remote=remote
        )
        found = re.match(rb"ref: refs/heads/(\S+)\tHEAD\n", listing)
        return os.fsdecode(found.group(1)) if found else None

    async def _fetch(self, path: Path, remote: git.Remote, specs: Sequence[str], lock: int) -> None:
        arguments = [
            "fetch", "--quiet", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules",
            *(["--update-shallow"] if remote.local else []), "--", remote.url, *specs,
        ]  # fmt: skip
        try:
            await git.run(arguments, git_dir=path, remote=remote, keep_fds=(lock,))
        except faults.GitError as error:
            missing = re.search(r"couldn't find remote ref (\S+)", error.stderr)
            if missing and missing.group(1) == "HEAD":
                raise Blocked("the repository has no commit yet") from None
            if missing:
                raise Blocked(f"the repository has no branch {missing.group(1)[11:]!r}") from None
            if "cannot lock ref" not in error.stderr:
                raise
            await self._make_way(path, specs, lock)
            await git.run(arguments, git_dir=path, remote=remote, keep_fds=(lock,))

    async def _make_way(self, path: Path, specs: Sequence[str], lock: int) -> None:
        """Delete refs whose branches went away upstream and whose names are now folders, or the reverse."""
        listing = await git.run(("for-each-ref", "--format=%(refname)"), git_dir=path, keep_fds=(lock,))
        wanted = [spec.partition(":")[2] for spec in specs]
        for ref in os.fsdecode(listing).splitlines():
            if any(one.startswith(f"{ref}/") or ref.startswith(f"{one}/") for one in wanted):
                await git.run(("update-ref", "-d", ref), git_dir=path, keep_fds=(lock,))

    @contextlib.asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[int]:
        """Hold the repository's lock file; git inherits it, so an orphaned fetch makes the next one wait."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.root / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await _lock(descriptor, name)
            yield descriptor
        finally:
            os.close(descriptor)


def repository_url(server_url: str, full_name: str) -> str:
    """Return "SERVER/OWNER/NAME.git", the one kind of URL that git may call; raises Blocked for odd names."""
    owner, _, name = full_name.partition("/")
    if not re.fullmatch(OWNER, owner) or not re.fullmatch(NAME, name) or name in {".", ".."}:
        raise Blocked(f"{full_name!r} is not the name of a repository")
    return f"{server_url.rstrip('/')}/{owner}/{name}.git"


def folder_name(identity: str | int) -> str:
    """Return a name for a repository's folder; two identities never share one."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", str(identity)).strip("-")[:60]
    if plain != str(identity):
        plain = f"{plain}-{hashlib.sha256(str(identity).encode()).hexdigest()[:12]}"
    return f"{plain}.git"


async def _lock(descriptor: int, name: str) -> None:
    """Take the file lock; it is polled because a thread that blocks in flock(2) cannot be cancelled."""
    for _ in range(int(LOCK_SECONDS / LOCK_POLL_SECONDS)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(LOCK_POLL_SECONDS)
        else:
            return
    raise WorldFault(f"another process has been fetching {name} for {LOCK_SECONDS:.0f} s")


def _prepare(path: Path) -> None:
    """Clear what a killed fetch left; the caller holds the lock, so nobody else is writing."""
    if path.exists() and not (path / "objects").is_dir():
        shutil.rmtree(path)  # the very first `git init` was interrupted
    path.mkdir(parents=True, exist_ok=True)
    stale = [*path.glob("*.lock"), *path.glob("refs/**/*.lock"), *path.glob("objects/**/tmp_*")]
    for leftover in stale:
        if leftover.is_file():
            leftover.unlink()
    if stale:
        log.info("mirror.cleared", path=path.name, leftovers=len(stale))


def _write_configuration(path: Path) -> None:
    fresh = path / "config.fresh"
    fresh.write_text(CONFIGURATION, encoding="utf-8")
    fresh.replace(path / "config")
