"""A task starts where its session stands: from the base, from the branch, or from what was kept aside."""

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Blocked
from bot.settings import Settings
from bot.task import admission
from bot.task.preparation import Preparation
from bot.task.pushing import Pushing
from bot.task.work import Work
from storage import tasks
from storage.database import Database
from storage.words import Reason, TaskKind, TaskState
from tests import git_remote, records
from tests.task_yard import FIX, NAME, Yard
from tests.test_task_admission import Forge
from tests.test_task_pushing import Shop

SETTINGS = Settings(model="claude-opus-5-5", task_budget_usd=Decimal(5))
ME = {"name": "j", "email": "j@x"}


@dataclasses.dataclass
class Session:
    """A session over a real remote: task after task is let in, fetches, works and pushes."""

    yard: Yard

    @classmethod
    async def begin(cls, database: Database, folder: Path) -> "Session":
        """Lay out a remote and a first task."""
        yard = await Yard.lay_out(database, folder, base_sha=None, facts={"base": "main", "author": ME})
        return cls(yard)

    def preparation(self) -> Preparation:
        """Return what fetches."""
        shop: Any = Shop(self.yard.mirrors, self.yard.mirror)
        return Preparation(shop, None)

    async def fetch(self) -> dict[str, Any]:
        """Let the task settle where it starts; returns its notes."""
        forge: Any = self.yard.forge()
        await self.preparation().fetch(self.yard.work, forge)
        return self.yard.work.facts

    async def pushed(self, **files: str) -> str:
        """Let the task write files over what it started with, and push; returns the branch's head."""
        yard = self.yard
        tree = await yard.tree(str(yard.work.facts["start"]), **files)
        await yard.delivery().push(tree, "Work\n")
        await self.end(TaskState.COMPLETED)
        await yard.work.change_session(pull_request=57, pull_state="open")
        return yard.head()

    async def kept(self, **files: str) -> str:
        """Let the task keep its files aside, unproven; returns the branch that they are on."""
        yard = self.yard
        await yard.delivery().keep_aside(await yard.tree(str(yard.work.facts["start"]), **files), "Work\n")
        await self.end(TaskState.FAILED, Reason.UNPROVEN)
        return str(yard.work.facts["kept_branch"])

    async def end(self, status: TaskState, reason: Reason | None = None) -> None:
        """End the task."""
        async with self.yard.database.transaction() as writing:
            await tasks.finish(writing, self.yard.work.id, status, reason)

    async def next(self, kind: TaskKind, *, live: bool = True, **trigger: Any) -> None:
        """Let the session's next task in, which is a retry of the last one unless it is told otherwise."""
        yard = self.yard
        wanted = {"origin": "retry", "retry_of": yard.work.id} | trigger
        task = await records.a_task(yard.database, yard.work.session, kind=kind, trigger=wanted)
        yard.work = await Work.load(yard.database, task.id)
        forge: Any = Forge()
        await admission.admit(yard.work, forge, SETTINGS)
        yard.work = await Work.load(yard.database, task.id)
        if live:
            await self.go()

    async def go(self) -> None:
        """Give the task its slot."""
        async with self.yard.database.transaction() as writing:
            await tasks.move(writing, self.yard.work.id, TaskState.TESTING)

    def files(self, branch: str = NAME) -> set[str]:
        """Return the names that a branch of the remote holds."""
        return set(git_remote.git(self.yard.remote, "ls-tree", "-r", "--name-only", branch).split())

    async def done(self) -> bool:
        """Push what was proven, as the phase does."""
        forge: Any = self.yard.forge()
        never: Any = None
        pushing = Pushing(self.yard.work, self.yard.desk(), self.yard.delivery(), self.preparation())  # type: ignore[arg-type]
        return await pushing.done(forge, never, never)


@pytest.fixture
async def session(sqlite: Database, tmp_path: Path) -> Session:
    """Begin a session."""
    return await Session.begin(sqlite, tmp_path)


async def test_a_second_task_without_a_branch_begins_from_the_base(session: Session) -> None:
    """The API adds a follow-up to a session of which nothing came: there is nothing to be missed."""
    await session.end(TaskState.FAILED, Reason.NO_CHANGES)
    await session.next(TaskKind.FOLLOW_UP, origin="api", retry_of=None)
    facts = await session.fetch()
    base = session.yard.base
    assert (session.yard.work.task.base_sha, facts["start"], facts["parent"]) == (base, base, base)
    assert facts["branch_head"] is None
    await session.pushed(**FIX)
    assert session.yard.log() == [session.yard.head(), base]


async def test_a_follow_up_whose_branch_people_deleted_is_blocked(session: Session) -> None:
    """It had one, which was theirs to delete."""
    await session.fetch()
    await session.pushed(**FIX)
    session.yard.delete()
    await session.next(TaskKind.FOLLOW_UP)
    with pytest.raises(Blocked, match="is not there any more"):
        await session.fetch()


async def test_a_retry_from_the_plan_starts_from_the_base(session: Session) -> None:
    """Where nobody else has pushed; it comes as one commit more on the branch, which is not rewritten."""
    await session.fetch()
    head = await session.pushed(**{"wrong.py": "x = 1\n"})
    await session.next(TaskKind.IMPLEMENT)
    facts = await session.fetch()
    assert (facts["start"], facts["parent"]) == (session.yard.base, head)
    await session.pushed(**FIX)
    assert session.yard.log()[1:] == [head, session.yard.base]
    assert "wrong.py" not in session.files()


async def _by_hand(session: Session) -> None:
    """Push as a person does, after the task has ended."""
    session.yard.by_person({"human.py": "mine = 1\n"})


async def _tested(session: Session) -> None:
    """Push as a person does, and have the tests run again on that."""
    session.yard.by_person({"human.py": "mine = 1\n"})
    await session.next(TaskKind.RETEST, origin="test", retry_of=None)
    await session.fetch()
    await session.done()
    await session.end(TaskState.COMPLETED)


async def _followed(session: Session) -> None:
    """Push as a person does, and have a follow-up build on that."""
    session.yard.by_person({"human.py": "mine = 1\n"})
    await session.next(TaskKind.FOLLOW_UP, origin="review", retry_of=None)
    await session.fetch()
    await session.pushed(**{"more.py": "x = 1\n"})


@pytest.mark.parametrize("people", [_by_hand, _tested, _followed], ids=["last", "tested since", "built upon"])
async def test_a_retry_from_the_plan_keeps_what_people_pushed(session: Session, people: Any) -> None:
    """Their commits stay in the history, and their files in the result."""
    await session.fetch()
    await session.pushed(**{"wrong.py": "x = 1\n"})
    await people(session)
    head = session.yard.head()
    await session.next(TaskKind.IMPLEMENT)
    facts = await session.fetch()
    assert (facts["parent"], facts["branch_head"]) == (head, head)
    await session.pushed(**FIX)
    assert head in session.yard.log()
    assert "human.py" in session.files()


async def test_a_branch_that_only_people_pushed_to_is_started_from(session: Session) -> None:
    """Nothing of ours is there to be begun anew."""
    theirs = session.yard.by_person({"human.py": "mine = 1\n"})
    await session.yard.work.change_session(branch=NAME, pull_request=57, pull_state="open")
    assert (await session.fetch())["start"] == theirs


async def _aside(session: Session) -> str:
    """Keep a follow-up's work aside; returns the branch's head, which stays where it is."""
    await session.fetch()
    head = await session.pushed(**{"first.py": "x = 1\n"})
    await session.next(TaskKind.FOLLOW_UP, origin="review", retry_of=None)
    await session.fetch()
    assert await session.kept(**FIX) == f"{NAME}-attempt-2"
    assert session.yard.head() == head
    return head


async def test_an_attempt_kept_aside_is_pushed_when_its_tests_hold(session: Session) -> None:
    """`retry from=tests`: the very commit that was kept becomes the head of the pull request."""
    head = await _aside(session)
    kept = session.yard.head(f"{NAME}-attempt-2")
    await session.next(TaskKind.RETEST)
    facts = await session.fetch()
    assert (facts["start"], facts["branch_head"]) == (kept, head)
    assert await session.done()
    assert (session.yard.head(), session.yard.work.task.head_sha) == (kept, kept)
    assert session.files() == session.files(f"{NAME}-attempt-2")


async def test_a_retry_goes_on_with_what_was_kept_aside(session: Session) -> None:
    """Its commit comes on top of that, and the branch is moved forward to it."""
    head = await _aside(session)
    kept = session.yard.head(f"{NAME}-attempt-2")
    await session.next(TaskKind.FOLLOW_UP)
    assert (await session.fetch())["start"] == kept
    made = await session.pushed(**{"second.py": "x = 1\n"})
    assert session.yard.log()[:3] == [made, kept, head]


async def test_two_attempts_kept_aside_have_two_names(session: Session) -> None:
    """Also when the second was asked for before the first had ended; neither is overwritten."""
    await session.fetch()
    await session.pushed(**{"first.py": "x = 1\n"})
    await session.next(TaskKind.FOLLOW_UP, origin="review", retry_of=None)
    second = session.yard.work
    await session.next(TaskKind.FOLLOW_UP, live=False, origin="guidance", retry_of=None)
    third, names = session.yard.work, []
    for work, text in ((second, "x = 2\n"), (third, "x = 3\n")):
        session.yard.work = work
        await session.go()
        await session.fetch()
        names.append(await session.kept(**{"shop.py": text}))
    assert names == [f"{NAME}-attempt-2", f"{NAME}-attempt-3"]
    assert set(session.yard.branches()) == {NAME, *names}
    shown = [git_remote.git(session.yard.remote, "show", f"{name}:shop.py") for name in names]
    assert shown == ["x = 2", "x = 3"]


async def test_an_attempt_kept_aside_is_not_what_was_pushed(session: Session) -> None:
    """A retry from the plan still knows the branch's head as ours, and begins from the base."""
    head = await _aside(session)
    await session.next(TaskKind.IMPLEMENT)
    facts = await session.fetch()
    assert (facts["start"], facts["parent"]) == (session.yard.base, head)
