"""What may leave leaves once, on a branch of its own, as exactly the files that were tested."""

from pathlib import Path
from typing import Any

import pytest

from bot.task.delivery import Withheld
from bot.task.work import Work
from bot.workspace.outbox import BranchMoved
from storage import test_cases
from storage.database import Database
from storage.words import TestState, TestType
from tests import git_remote
from tests.task_yard import FIX, KEY, NAME, Yard


@pytest.fixture
async def yard(sqlite: Database, tmp_path: Path) -> Yard:
    """Lay out a yard."""
    return await Yard.lay_out(sqlite, tmp_path)


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
    theirs = yard.by_person({"README": "by a person\n"})
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
