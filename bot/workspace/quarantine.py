"""Keep the objects of one task apart from the shared mirror; decide what of the jail's work is taken in."""

import asyncio
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.errors import UserFault
from bot.workspace import faults, git
from bot.workspace.mirror import Mirror
from bot.workspace.objects import FULL_ID, Objects

PACK_BYTES = 64 * 1024 * 1024  # what a task's change may weigh, compressed


class ChangeRefused(UserFault):
    """The work cannot become a change as it is; the text says what to alter."""


@dataclass(frozen=True)
class Overlay:
    """One file to lay over a tree; without content the path is taken away."""

    path: str
    content: bytes | None
    executable: bool = False


class Quarantine(Objects):
    """A bare repository of one task that borrows the mirror's objects."""

    def __init__(self, mirror: Mirror, path: Path) -> None:
        super().__init__(path, borrow=(mirror.objects,))
        self.mirror = mirror

    @classmethod
    async def open(cls, mirror: Mirror, path: Path) -> "Quarantine":
        """Return the quarantine at `path`, made when it isn't there yet."""
        await asyncio.to_thread(path.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        await git.run(("init", "--bare", "--quiet", "--template="), git_dir=path)
        await asyncio.to_thread(_copy_shallow, mirror.path, path)
        return cls(mirror, path)

    async def resolve(self, ref: str) -> str:
        """Return the commit id that `ref` names here or, failing that, in the mirror; raises Blocked."""
        return await (super().resolve(ref) if FULL_ID.fullmatch(ref) else self.mirror.resolve(ref))

    async def adopt(self, pack: bytes, tree: str | None = None) -> None:
        """Take in a pack that came out of the jail, every object checked; adopting twice is harmless.

        An empty pack adds nothing. With `tree`, that tree must be here afterwards. Raises ChangeRefused for
        objects that git's checks refuse (`.gitmodules` that would run a command, broken links, too big).
        """
        if pack:
            arguments = ("index-pack", "--stdin", "--strict", "--fix-thin", f"--max-input-size={PACK_BYTES}")
            try:
                await self.git(*arguments, stdin=pack)
            except faults.GitError as error:
                why = "; ".join(error.stderr.strip().splitlines()[-3:])[:500]
                raise ChangeRefused(f"git refuses the change: {why}") from None
        if tree is not None and await self._kind(tree) != "tree":
            raise ChangeRefused(f"the result's tree {tree} did not come along")

    async def commit(
        self, tree: str, parent: str, message: str, author_name: str, author_email: str, when: datetime
    ) -> str:
        """Make a commit of `tree` on `parent` and return its id; the same facts give the same id.

        `when` needs a time zone; author and committer are the same.
        """
        if when.tzinfo is None:
            raise ValueError("a commit's time needs a time zone")
        date = f"{int(when.timestamp())} {when.strftime('%z')}"
        identity = {
            f"GIT_{role}_{fact}": value
            for role in ("AUTHOR", "COMMITTER")
            for fact, value in (("NAME", author_name), ("EMAIL", author_email), ("DATE", date))
        }
        made = await git.run(
            ("commit-tree", "-p", parent, "-F", "-", tree),
            git_dir=self.path,
            borrow=self.borrow,
            environment=identity,
            stdin=message.replace("\0", "").encode("utf-8", "replace"),
        )
        return made.decode().strip()

    async def overlay(self, tree: str, files: Sequence[Overlay]) -> str:
        """Return the id of `tree` with `files` laid over it; a file takes the place of a folder and back."""
        if not files:
            return await self.tree_of(tree)
        ref = f"refs/journeyman/overlay-{uuid.uuid4().hex}"
        lines = [f"commit {ref}\ncommitter overlay <overlay> 0 +0000\ndata 0\n".encode()]
        lines.append(f"M 040000 {await self.tree_of(tree)} \n".encode())
        lines.extend(_instruction(one) for one in files)
        await self.git("fast-import", "--quiet", "--date-format=raw", stdin=b"".join([*lines, b"\n"]))
        made = await self.tree_of(ref)
        await self.git("update-ref", "-d", ref)
        return made

    async def merge(self, ours: str, theirs: str) -> str | None:
        """Return the tree of both commits' changes since they parted, None when they touch the same lines."""
        try:
            made = await self.git("merge-tree", "--write-tree", "--no-messages", ours, theirs)
        except faults.GitError as error:
            if error.exit_code == 1:
                return None
            raise
        return made.decode().split()[0]

    async def pack(self, tree: str, base: str) -> bytes:
        """Return the thin pack that makes `tree` from the commit `base`; empty when they are the same."""
        if await self.tree_of(base) == tree:
            return b""
        wanted = f"{tree}\n^{base}\n^{base}^{{tree}}\n".encode()
        return await self.git("pack-objects", "--revs", "--thin", "--stdout", "-q", stdin=wanted)

    async def _kind(self, identity: str) -> str:
        if not FULL_ID.fullmatch(identity):
            return "nothing"
        found = await self.git("cat-file", "--batch-check=%(objecttype)", stdin=f"{identity}\n".encode())
        return found.decode().strip()


def _copy_shallow(mirror: Path, quarantine: Path) -> None:
    # the history of a shallow local clone ends somewhere, and git must know where
    if (mirror / "shallow").exists():
        shutil.copyfile(mirror / "shallow", quarantine / "shallow")


def _instruction(one: Overlay) -> bytes:
    """Return the line of git-fast-import for one file; the path is quoted as in C."""
    parts = one.path.split("/")
    if any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts) or "\0" in one.path:
        raise ValueError(f"an overlay cannot have the path {one.path!r}")
    escaped = one.path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    path = b'"' + escaped.encode("utf-8", "surrogateescape") + b'"'
    if one.content is None:
        return b"D " + path + b"\n"
    mode = b"100755" if one.executable else b"100644"
    return b"M %s inline %s\ndata %d\n%s\n" % (mode, path, len(one.content), one.content)
