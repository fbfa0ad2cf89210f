"""A remote in a folder, people who push to it, and a task whose work is to get there."""

import dataclasses
from pathlib import Path
from typing import Any

from bot.task.delivery import Delivery
from bot.task.forge import Source
from bot.task.work import Work
from bot.workspace.mirror import Mirror, Mirrors
from bot.workspace.quarantine import Overlay, Quarantine
from storage.database import Database
from storage.words import TaskState
from tests import git_remote, records, words_facts

FILES = {"shop.py": "def total():\n    return 1\n", "tests/test_shop.py": "def test_old():\n    pass\n"}
FIX = {"shop.py": "def total():\n    return 2\n"}
NAME = "journeyman/issue-42-parsing-fails-for-0530"
KEY = "a-key-of-this-process-1234567890"


class Desk:
    """The part of a desk that a delivery uses."""

    def __init__(self, quarantine: Quarantine, work: Work) -> None:
        self.quarantine = quarantine
        self._work = work

    @property
    def base(self) -> str:
        """The commit that the work is held against."""
        return str(self._work.task.base_sha)

    @property
    def start(self) -> str:
        """The commit that the task began with."""
        return str(self._work.facts.get("start") or self.base)


class Forge:
    """A remote in a folder."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def source(self, work: Work, access: str) -> Source:
        """Say where the code is and where the branch goes."""
        del work, access
        return Source(self._url, None, local=True)


@dataclasses.dataclass
class Yard:
    """A remote repository, the clone of a person, a task, and the way out."""

    database: Database
    remote: Path
    person: Path
    mirrors: Mirrors
    mirror: Mirror
    code: Quarantine
    base: str
    work: Work

    @classmethod
    async def lay_out(cls, database: Database, folder: Path, **values: Any) -> "Yard":
        """Make them; `values` are columns of the task."""
        person = git_remote.make_clone(folder / "person", FILES)
        remote = folder / "remote.git"
        git_remote.git(person, "clone", "-q", "--bare", ".", str(remote))
        mirrors = Mirrors(folder / "mirrors")
        mirror = await mirrors.fetch("7", str(remote), None, ["main"], local=True)
        code = await Quarantine.open(mirror, folder / "quarantine" / "t.git")
        base = await mirror.resolve("refs/heads/main")
        task = await records.a_task(
            database, status=TaskState.TESTING, **({"base_sha": base, "base_ref": "main"} | values)
        )
        work = await Work.load(database, task.id, task.runs)
        return cls(database, remote, person, mirrors, mirror, code, base, work)

    async def tree(self, start: str = "", **files: str | None) -> str:
        """Return the tree of the base, or of another commit, with some files written."""
        laid = [Overlay(name, text if text is None else text.encode()) for name, text in files.items()]
        return await self.code.overlay(start or self.base, laid)

    def desk(self, work: Work | None = None) -> Desk:
        """Return the place where the work was done."""
        return Desk(self.code, work or self.work)

    def forge(self) -> Forge:
        """Return the outside."""
        return Forge(str(self.remote))

    def delivery(self, work: Work | None = None) -> Delivery:
        """Return the way out."""
        work = work or self.work
        return Delivery(work, self.desk(work), self.forge(), words_facts.SESSION, [KEY])  # type: ignore[arg-type]

    def by_person(self, files: dict[str, str], branch: str = NAME) -> str:
        """Let a person push a commit to a branch, which is made from main if need be; returns the commit."""
        there = git_remote.git(self.person, "ls-remote", str(self.remote), f"refs/heads/{branch}")
        git_remote.git(self.person, "fetch", "-q", str(self.remote), branch if there else "main")
        git_remote.git(self.person, "checkout", "-q", "-B", branch, "FETCH_HEAD")
        made = git_remote.add_commit(self.person, files)
        git_remote.git(self.person, "push", "-q", str(self.remote), branch)
        return made

    def force(self, commit: str, branch: str = NAME) -> None:
        """Let a person put the branch somewhere else, whatever it held."""
        git_remote.git(
            self.person, "push", "-q", "--force", str(self.remote), f"{commit}:refs/heads/{branch}"
        )

    def delete(self, branch: str = NAME) -> None:
        """Let a person delete the branch."""
        git_remote.git(self.person, "push", "-q", str(self.remote), f":refs/heads/{branch}")

    def branches(self) -> dict[str, str]:
        """Return the remote's branches but main, with their trees."""
        listing = git_remote.git(
            self.remote, "for-each-ref", "--format=%(refname:short) %(objectname) %(tree)",
            "refs/heads/journeyman",
        )  # fmt: skip
        return {line.split()[0]: line.split()[2] for line in listing.splitlines()}

    def head(self, branch: str = NAME) -> str:
        """Return the commit that a branch of the remote is at."""
        return git_remote.git(self.remote, "rev-parse", f"refs/heads/{branch}")

    def log(self, branch: str = NAME) -> list[str]:
        """Return the commits of a branch, newest first."""
        return git_remote.git(self.remote, "rev-list", branch).split()
