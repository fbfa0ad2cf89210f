"""People's commits on the branch are built upon and proven together with ours, never overwritten."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Blocked
from bot.task.preparation import Preparation
from bot.task.pushing import MOST_MERGES, Pushing
from bot.task.work import Phase, Work
from bot.workspace.mirror import Mirror, Mirrors
from bot.workspace.outbox import BranchMoved
from bot.workspace.quarantine import Quarantine
from storage import events, snapshots
from storage.database import Database
from storage.words import TaskKind
from tests import records
from tests.task_yard import FIX, NAME, Yard


@dataclasses.dataclass
class Shop:
    """The part of a workshop that fetching uses."""

    mirrors: Mirrors
    mirror_: Mirror

    def mirror(self, work: Work) -> Mirror:
        """Return the one mirror."""
        del work
        return self.mirror_


@dataclasses.dataclass
class Way:
    """A follow-up that goes on with its session's branch, and its way to there."""

    yard: Yard
    asked: int = 0

    async def begin(self, **facts: Any) -> str:
        """Let the task start from the branch as it is now; returns its head."""
        start = self.yard.head()
        await self.yard.mirrors.fetch("7", str(self.yard.remote), None, [NAME], local=True)
        await self.yard.work.change_session(branch=NAME)
        await self.yard.work.note(start=start, parent=start, branch_head=start, **facts)
        return start

    async def push(self) -> bool:
        """Do what the phase does, as a process would that has just started."""
        yard = self.yard
        work = await Work.load(yard.database, yard.work.id, yard.work.task.runs)
        yard.work = work
        preparation = Preparation(Shop(yard.mirrors, yard.mirror), None)  # type: ignore[arg-type]
        pushing = Pushing(work, yard.desk(work), yard.delivery(work), preparation)  # type: ignore[arg-type]

        async def whole(*_: object) -> str:
            self.asked += 1
            return str(work.facts["judged"]["tree"])

        async def message(*_: object) -> str:
            return "Fix totals\n"

        return await pushing.done(yard.forge(), whole, message)  # type: ignore[arg-type]

    async def proven(self, tree: str) -> None:
        """Let the proof of a tree have held."""
        await self.yard.work.note(judged={"tree": tree})

    async def files(self, commit: str) -> dict[str, str]:
        """Return what a commit or tree holds."""
        names = await self.yard.code.files(commit)
        found = await self.yard.code.read_all(commit, names, 10_000)
        return {name: content.decode() for name, content in found.items()}


@pytest.fixture
async def way(sqlite: Database, tmp_path: Path) -> Way:
    """Lay out a branch with one commit of ours, and a task that has proven one more."""
    yard = await Yard.lay_out(sqlite, tmp_path, kind=TaskKind.FOLLOW_UP)
    yard.by_person({"first.py": "ours = 1\n"})
    made = Way(yard)
    start = await made.begin()
    await made.proven(await yard.tree(start, **FIX))
    return made


async def test_work_follows_what_the_branch_held(way: Way) -> None:
    """One commit more, on the head that the task began with."""
    before = way.yard.log()
    assert await way.push()
    assert way.yard.log()[1:] == before
    assert way.yard.work.task.head_sha == way.yard.head()
    assert (await way.files(way.yard.head()))["shop.py"] == FIX["shop.py"]


async def test_what_people_pushed_meanwhile_is_joined_and_proven_first(way: Way) -> None:
    """Nothing is pushed before the proof of both has held; then all commits are there, theirs untouched."""
    theirs = way.yard.by_person({"more.py": "theirs = 1\n"})
    before = way.yard.log()
    assert not await way.push()
    work = way.yard.work
    assert way.yard.log() == before
    assert (work.task.phase, work.facts["start"], work.facts["branch_head"]) == (Phase.PROVE, theirs, theirs)
    assert not work.facts["judged"]
    assert not work.facts["delivered_tree"]
    joined = str(work.task.tree)
    assert await way.files(joined) == await way.files(theirs) | FIX
    await way.proven(joined)
    assert await way.push()
    assert way.yard.log()[1:] == before
    assert await way.files(way.yard.head()) == await way.files(joined)


async def test_people_are_told_that_their_commits_were_taken_in(way: Way) -> None:
    """In what happened so far, once."""
    way.yard.by_person({"more.py": "theirs = 1\n"})
    await way.push()
    async with way.yard.database.reading() as session:
        (note,) = await events.notes(session, way.yard.work.id)
    assert "their commits were taken in" in note.data["text"]


async def test_another_worker_finds_the_joined_tree(way: Way, tmp_path: Path) -> None:
    """The snapshot makes it from what the mirror has, wherever the task goes on."""
    way.yard.by_person({"more.py": "theirs = 1\n"})
    await way.push()
    async with way.yard.database.reading() as session:
        kept = await snapshots.latest(session, way.yard.work.id)
    assert kept is not None
    fresh = await Quarantine.open(way.yard.mirror, tmp_path / "elsewhere.git")
    await fresh.adopt(kept.pack, kept.tree)
    assert kept.tree == way.yard.work.task.tree
    assert set(await fresh.files(kept.tree)) == set(await way.files(kept.tree))


async def test_the_same_lines_cannot_be_joined(way: Way) -> None:
    """The task is blocked, its words say what to do, and the branch is as people left it."""
    theirs = way.yard.by_person({"shop.py": "def total():\n    return 3\n"})
    with pytest.raises(Blocked, match=r"touch the same lines as mine; `/journeyman retry`"):
        await way.push()
    assert way.yard.head() == theirs
    assert way.yard.work.task.head_sha is None


async def test_a_branch_that_was_rewritten_is_not_rewritten_back(way: Way) -> None:
    """Someone force-pushed: ours comes on top of what is there now."""
    yard = way.yard
    yard.by_person({"other.py": "x = 1\n"}, branch="rewritten")
    theirs = yard.head("rewritten")
    yard.force(theirs)
    assert not await way.push()
    await way.proven(str(yard.work.task.tree))
    assert await way.push()
    assert yard.log()[1] == theirs
    assert (await way.files(yard.head()))["other.py"] == "x = 1\n"


async def test_a_branch_that_does_not_keep_still_is_given_up(way: Way) -> None:
    """After three proofs of both; the fourth push of a person ends it."""
    for number in range(MOST_MERGES):
        way.yard.by_person({f"more{number}.py": "theirs = 1\n"})
        assert not await way.push()
        await way.proven(str(way.yard.work.task.tree))
    last = way.yard.by_person({"last.py": "theirs = 1\n"})
    with pytest.raises(Blocked, match="does not keep still"):
        await way.push()
    assert way.yard.head() == last


async def test_a_branch_that_people_deleted_is_not_made_again(way: Way) -> None:
    """It was theirs to delete."""
    way.yard.delete()
    with pytest.raises(Blocked, match="does not keep still"):
        await way.push()
    assert way.yard.branches() == {}


async def test_a_first_push_has_nobody_to_join_with(way: Way) -> None:
    """A branch that was gone when the task began, and is there again, is someone else's."""
    await way.yard.work.note(branch_head=None)
    head = way.yard.head()
    with pytest.raises(BranchMoved):
        await way.push()
    assert way.yard.head() == head


async def test_testing_again_pushes_nothing(way: Way) -> None:
    """Its head is the one that it tested."""
    await way.yard.work.change(kind=TaskKind.RETEST)
    head = way.yard.head()
    assert await way.push()
    assert (way.yard.head(), way.yard.work.task.head_sha) == (head, head)
    assert way.asked == 0


async def test_a_crash_before_the_join_is_written_down_changes_nothing(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next process does it again, and comes to the same."""
    theirs = way.yard.by_person({"more.py": "theirs = 1\n"})

    async def die(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "save", die)
        with pytest.raises(SystemExit):
            await way.push()
    await way.yard.work.reload()
    assert (way.yard.work.task.phase, "merges" in way.yard.work.facts) == ("admit", False)
    assert not await way.push()
    assert (way.yard.work.facts["merges"], way.yard.work.facts["start"]) == (1, theirs)


async def test_what_is_delivered_is_settled_once(way: Way) -> None:
    """Generated tests are laid over before the first try; a repeated push is of the very same tree."""
    assert await way.push()
    head = way.yard.head()
    await way.yard.work.change(head_sha=None)
    assert await way.push()
    assert (way.yard.head(), way.asked) == (head, 1)


async def test_unproven_work_is_kept_beside_the_branch(way: Way) -> None:
    """The head of a pull request that is proven stays what it is; the work has a name of its own."""
    yard, head = way.yard, way.yard.head()
    tree = await yard.tree(head, **FIX)
    made = [await yard.delivery().keep_aside(tree, "Unfinished\n") for _ in range(2)]
    assert yard.branches() == {NAME: await yard.code.tree_of(head), f"{NAME}-attempt-1": tree}
    assert (yard.head(), yard.head(f"{NAME}-attempt-1")) == (head, made[0])
    assert made[0] == made[1]
    await yard.work.reload()
    assert (yard.work.facts["kept_branch"], yard.work.task.head_sha) == (f"{NAME}-attempt-1", made[0])
    assert yard.work.session.branch == NAME


async def test_a_kept_attempt_keeps_its_name(way: Way) -> None:
    """A process that dies after the push finds it again, whatever people asked for meanwhile."""
    yard, head = way.yard, way.yard.head()
    tree = await yard.tree(head, **FIX)
    first = await yard.delivery().keep_aside(tree, "Unfinished\n")
    await yard.work.change(head_sha=None)
    await records.a_task(yard.database, yard.work.session, kind=TaskKind.FOLLOW_UP)
    assert await yard.delivery().keep_aside(tree, "Unfinished\n") == first
    assert set(yard.branches()) == {NAME, f"{NAME}-attempt-1"}


async def test_an_attempt_that_is_proven_after_all_comes_to_the_branch(way: Way) -> None:
    """Testing it again held: the very commit that was kept aside is the branch's new head, and no other."""
    yard, head = way.yard, way.yard.head()
    kept = await yard.delivery().keep_aside(await yard.tree(head, **FIX), "Unfinished\n")
    again = await records.a_task(
        yard.database, yard.work.session, kind=TaskKind.RETEST, base_sha=yard.base, base_ref="main",
        facts={"start": kept, "parent": kept, "branch_head": head},
    )  # fmt: skip
    yard.work = await Work.load(yard.database, again.id, again.runs)
    for _ in range(2):
        assert await way.push()
        assert (yard.head(), yard.work.task.head_sha, way.asked) == (kept, kept, 0)


async def test_an_attempt_does_not_replace_what_people_pushed(way: Way) -> None:
    """The branch has moved since it was kept: theirs stays the head, and whoever pushes is told."""
    yard, head = way.yard, way.yard.head()
    kept = await yard.delivery().keep_aside(await yard.tree(head, **FIX), "Unfinished\n")
    theirs = yard.by_person({"more.py": "theirs = 1\n"})
    await yard.work.change(kind=TaskKind.RETEST)
    await yard.work.note(start=kept, branch_head=head)
    with pytest.raises(BranchMoved):
        await way.push()
    assert yard.head() == theirs


async def test_what_people_took_off_the_branch_stays_off(way: Way) -> None:
    """A forced push of theirs throws our earlier commit away; our work does not bring it back."""
    yard = way.yard
    yard.by_person({"other.py": "x = 1\n"}, branch="rewritten")  # from main: without first.py
    yard.force(yard.head("rewritten"))
    await way.push()
    await way.proven(str(yard.work.task.tree))
    await way.push()
    assert set(await way.files(yard.head())) == {"other.py", "shop.py", "tests/test_shop.py"}
