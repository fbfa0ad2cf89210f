"""What may leave leaves once, on a branch of its own, as exactly the files that were tested."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Blocked
from bot.task.delivery import Delivery, Withheld
from bot.task.forge import Source
from bot.task.work import Work
from bot.workspace.mirror import Mirrors
from bot.workspace.outbox import BranchMoved
from bot.workspace.quarantine import Overlay, Quarantine
from storage import test_cases
from storage.database import Database
from storage.words import TaskState, TestState, TestType
from tests import git_remote, records, words_facts

FILES = {"shop.py": "def total():\n    return 1\n", "tests/test_shop.py": "def test_old():\n    pass\n"}
KEY = "a-key-of-this-process-1234567890"


class Desk:
    """The part of a desk that a delivery uses."""

    def __init__(self, quarantine: Quarantine, base: str) -> None:
        self.quarantine = quarantine
        self.base = self.start = base


class Forge:
    """A remote in a folder."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def source(self, work: Work, access: str) -> Source:
        """Say where the branch goes."""
        del work
        assert access == "write"
        return Source(self._url, None, local=True)


@dataclasses.dataclass
class Yard:
    """A remote repository, a task on it, and the way there."""

    database: Database
    remote: Path
    code: Quarantine
    base: str
    work: Work

    async def tree(self, **files: str | None) -> str:
        """Return the base's tree with some files written."""
        laid = [Overlay(name, text if text is None else text.encode()) for name, text in files.items()]
        return await self.code.overlay(self.base, laid)

    def delivery(self, work: Work | None = None) -> Delivery:
        """Return the way out."""
        desk, forge = Desk(self.code, self.base), Forge(str(self.remote))
        return Delivery(work or self.work, desk, forge, words_facts.SESSION, [KEY])  # type: ignore[arg-type]

    def branches(self) -> dict[str, str]:
        """Return the remote's branches but main, with their trees."""
        listing = git_remote.git(
            self.remote,
            "for-each-ref",
            "--format=%(refname:short) %(objectname) %(tree)",
            "refs/heads/journeyman",
        )
        return {line.split()[0]: line.split()[2] for line in listing.splitlines()}


@pytest.fixture
async def yard(sqlite: Database, tmp_path: Path) -> Yard:
    clone = git_remote.make_clone(tmp_path / "clone", FILES)
    remote = tmp_path / "remote.git"
    git_remote.git(clone, "clone", "-q", "--bare", ".", str(remote))
    mirror = await Mirrors(tmp_path / "mirrors").fetch(7, str(remote), None, ["main"], local=True)
    code = await Quarantine.open(mirror, tmp_path / "quarantine" / "t.git")
    base = await mirror.resolve("refs/heads/main")
    task = await records.a_task(sqlite, status=TaskState.TESTING, base_sha=base, base_ref="main")
    return Yard(sqlite, remote, code, base, await Work.load(sqlite, task.id, task.runs))


NAME = "journeyman/issue-42-parsing-fails-for-0530"
FIX = {"shop.py": "def total():\n    return 2\n"}


async def test_the_branch_holds_exactly_the_tested_tree(yard: Yard) -> None:
    """On top of the base, and the rows know it."""
    tree = await yard.tree(**FIX)
    commit = await yard.delivery().push(tree, "Fix totals\n")
    assert yard.branches() == {NAME: tree}
    assert (yard.work.task.head_sha, yard.work.session.branch) == (commit, NAME)
    assert git_remote.git(yard.remote, "rev-parse", f"{commit}^") == yard.base


async def test_a_push_repeated_after_a_crash_makes_nothing_new(yard: Yard) -> None:
    """Whatever of it had been written down: the same facts make the same commit."""
    tree = await yard.tree(**FIX)
    first = await yard.delivery().push(tree, "Fix totals\n")
    for forgotten in ({"head_sha": None}, {}):
        await yard.work.change(**forgotten)
        await yard.work.change_session(branch=None)
        again = await Work.load(yard.database, yard.work.id, yard.work.task.runs)
        assert await yard.delivery(again).push(tree, "Fix totals\n") == first
    assert yard.branches() == {NAME: tree}


async def test_a_branch_that_is_taken_leads_to_the_next_name(yard: Yard) -> None:
    """Someone else's branch is never touched."""
    git_remote.git(yard.remote, "branch", NAME, "main")
    theirs = yard.branches()[NAME]
    tree = await yard.tree(**FIX)
    await yard.delivery().push(tree, "Fix totals\n")
    assert yard.branches() == {NAME: theirs, f"{NAME}-2": tree}


@pytest.mark.parametrize("known", [True, False], ids=["built upon", "thought to be gone"])
async def test_a_branch_of_ours_that_moved_is_not_overwritten(yard: Yard, known: bool) -> None:
    """What people pushed to it stays as it is, no other name is taken, and whoever pushes is told."""
    await yard.work.change_session(branch=NAME)
    git_remote.git(yard.remote, "branch", NAME, "main")
    theirs = git_remote.commit(yard.remote, NAME, {"README": "by a person\n"})
    if known:
        await yard.work.note(branch_head=yard.base)
    before = yard.branches()
    with pytest.raises(BranchMoved, match=theirs):
        await yard.delivery().push(await yard.tree(**FIX), "Fix totals\n")
    assert yard.branches() == before
    assert yard.work.task.head_sha is None


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({".github/workflows/ci.yml": "on: push\n"}, "workflows"),
        ({"shop.py": f"KEY = '{KEY}'\n"}, "shop.py"),
        (
            {
                "deploy.pem": "-----BEGIN RSA PRIVATE KEY-----\n"
                + "A" * 64
                + "\n-----END RSA PRIVATE KEY-----\n"
            },
            "deploy.pem",
        ),
    ],
    ids=["workflow", "our key", "a private key"],
)
async def test_what_must_not_leave_does_not(yard: Yard, files: dict[str, str], words: str) -> None:
    """Nothing is pushed, and the sentence names the place but not the secret."""
    with pytest.raises(Withheld) as caught:
        await yard.delivery().push(await yard.tree(**files), "Fix totals\n")
    assert words in str(caught.value)
    assert KEY not in str(caught.value)
    assert yard.branches() == {}


async def _generated(yard: Yard, *paths: str, **configuration: Any) -> None:
    written = [{"name": "t", "path": path, "code": f"# {path}\n", "cases": []} for path in paths]
    await yard.work.note(generated={"tests": written}, configuration=configuration)
    states = {"telling": (TestState.FAILED, TestState.PASSED), "silent": (TestState.PASSED, TestState.PASSED)}
    rows = [
        {"name": f"{path}::t", "path": path, "base_status": states[kind][0], "status": states[kind][1]}
        for path in paths
        for kind in states
        if kind in path
    ]
    async with yard.database.transaction() as writing:
        await test_cases.replace(writing, yard.work.id, TestType.GENERATED, rows)


async def test_only_tests_that_show_the_bug_are_delivered(yard: Yard) -> None:
    """One that passes without the change proves nothing."""
    await _generated(yard, "tests/test_telling.py", "tests/test_silent.py")
    tree = await yard.tree(**FIX)
    added = await yard.code.changes(tree, await yard.delivery().with_tests(tree))
    assert [one.path for one in added] == ["tests/test_telling.py"]


async def test_a_repository_may_not_want_them(yard: Yard) -> None:
    """`generated_tests: drop`."""
    await _generated(yard, "tests/test_telling.py", generated_tests="drop")
    tree = await yard.tree(**FIX)
    assert await yard.delivery().with_tests(tree) == tree


async def test_a_test_of_ours_in_a_denied_place_does_not_hold_up_the_work(yard: Yard) -> None:
    """It stays away; the change leaves."""
    await _generated(
        yard, "tests/test_telling.py", "checks/test_telling.py", paths={"deny": ["tests/**"]}
    )  # fmt: skip
    tree = await yard.tree(**FIX)
    made = await yard.delivery().with_tests(tree)
    assert [one.path for one in await yard.code.changes(tree, made)] == ["checks/test_telling.py"]
    await yard.delivery().push(made, "Fix totals\n")
    assert yard.branches() == {NAME: made}
