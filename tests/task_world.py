"""A world that outlives the process which works in it, and kills it when a test says so."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.claude.ask import Answer, Question
from bot.proof.verdict import Verdict
from bot.settings import Settings
from bot.task.configuration import Configuration
from bot.task.forge import Admission
from bot.task.phases import Means, Phases
from bot.task.portrait import Portraitist
from bot.task.preparation import Preparation
from bot.task.reviewer import Reviewer
from bot.task.work import Phase, Work
from bot.words.redaction import Redactor
from bot.workspace.tools import ToolOutcome
from storage.database import Database
from storage.words import Reason, TaskState
from tests.task_talk import Bare, calls, text

FINISH = ("finish", {"summary": "Totals add up"})
TURNS = [
    calls(("bash", {"command": "edit 1"}), ("bash", {"command": "ls"}), tag="0"),
    calls(("bash", {"command": "break"}), tag="1"),
    text("Done."),
    calls(FINISH, tag="3"),  # the proof does not hold yet
    calls(("bash", {"command": "edit 2"}), FINISH, tag="4"),
]


class Died(BaseException):
    """What `kill -9` does to everything that runs."""


class World:
    """Everything that outlives the process, and the moment at which that dies."""

    def __init__(self, moment: int) -> None:
        self._left = moment
        self.moments = 0
        self.deaths = 0
        self.tree = ""  # as it lies on the disk
        self.tools: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.outside: Counter[str] = Counter()
        # What people do while Claude answers for that many times; nobody does it again after a death.
        self.people: dict[int, Callable[[], Awaitable[None]]] = {}

    def pass_by(self) -> None:
        """Die here, if this is the moment."""
        self.moments += 1
        self._left -= 1
        if self._left == 0:
            self.deaths += 1
            raise Died

    @contextlib.contextmanager
    def doing(self) -> Any:
        """Die before or after it."""
        self.pass_by()
        yield
        self.pass_by()


class Mortal(Database):
    """A database whose user may die before a commit, which is then lost, or right after."""

    def __init__(self, database: Database, world: World) -> None:
        super().__init__(database.engine)
        self._world = world

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commit, or die."""
        async with super().transaction() as session:
            yield session
            self._world.pass_by()
        self._world.pass_by()


class Desk(Bare):
    """A desk on a disk that outlives the process."""

    def __init__(self, work: Work, world: World) -> None:
        super().__init__(work)
        self._world = world
        self.tree_now = world.tree or self.tree_now

    def attend(self, work: Work) -> None:
        """Go on with these rows."""
        self.work = work

    async def lay_out(self) -> None:
        """Be there."""

    async def furnish(self) -> None:
        """Be furnished."""

    async def close(self) -> None:
        """Go."""

    async def files(self, treeish: str) -> list[str]:
        """List nothing."""
        del treeish
        return []

    async def read_all(self, treeish: str, paths: list[str], limit: int) -> dict[str, bytes]:
        """Read nothing."""
        del treeish, paths, limit
        return {}

    async def use(self, name: str, given: Any) -> ToolOutcome:
        """Run a tool."""
        with self._world.doing():
            self._world.tools[given["command"]] += 1
            outcome = await super().use(name, given)
            self._world.tree = self.tree_now
        return outcome


class Claude:
    """Answers by how often it has answered in this history; without a change that holds, it makes another."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def ask(self, question: Question) -> Answer:
        """Answer."""
        turn = sum(message["role"] == "assistant" for message in question.messages)
        with self._world.doing():
            self._world.answers[turn] += 1
            if turn in self._world.people:
                await self._world.people.pop(turn)()
            if turn < len(TURNS):
                return TURNS[turn]
            return calls(("bash", {"command": "edit 2"}), FINISH, tag=str(turn))


class Outside:
    """Forge and delivery in one; each action is keyed outside, as GitHub's ledger does."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _once(self, what: str) -> None:
        with self._world.doing():
            self._world.outside[what] += 1

    async def admit(self, work: Work) -> Admission:
        """Let in."""
        self._once(f"eyes {work.id}")
        return Admission(
            "Totals are wrong", "They are.", "main", Configuration(), {"name": "j", "email": "j@x"}
        )

    async def show(self, work: Work) -> None:
        """Say how it goes."""

    async def epilogue(self, work: Work) -> None:
        """Say that it is over."""
        self._once(f"epilogue {work.task.status}")

    async def with_tests(self, tree: str) -> str:
        """Add nothing."""
        return tree

    async def push(self, tree: str, message: str) -> str:
        """Push."""
        del message
        self._once(f"push {tree}")
        return tree

    async def propose(self, work: Work, code: object) -> int:
        """Open the pull request."""
        del work, code
        self._once("pull")
        return 1

    async def answer(self, work: Work) -> None:
        """Answer the reviewers."""
        del work
        self._once("answer")

    async def finish(self, work: Work, status: TaskState) -> None:
        """Say the last word."""
        del work
        self._once(f"final {status}")


class Process(Phases):
    """The phases with everything around them replaced by the world."""

    def __init__(self, world: World) -> None:
        self.world, self.outside = world, Outside(world)
        settings = Settings()
        means = Means(
            settings, Claude(world), Shop(), Always(self.outside), Portraitist(settings, Redactor())  # type: ignore[arg-type, return-value]
        )  # fmt: skip
        super().__init__(means)
        self._preparation = Fetched(Shop(), self._desk)  # type: ignore[arg-type]
        self._own: dict[str, Desk] = {}

    async def _desk(self, work: Work) -> Any:
        desk = self._own.setdefault(work.id, Desk(work, self.world))
        desk.attend(work)
        return desk

    def _delivery(self, *_: object) -> Any:
        return self.outside

    async def _warm(self, *_: object) -> None:
        """Need nothing."""

    async def _clear(self, work: Work) -> None:
        del work
        self.world.tree = ""

    async def prove(self, work: Work) -> None:
        """Hold for the second edit only."""
        await work.move(TaskState.TESTING)
        desk = await self._desk(work)
        tree = await desk.snapshot()
        verdict = Verdict.PROVEN if "edit 2" in tree else Verdict.FAILING
        await work.note(judged={"tree": tree, "verdict": verdict, "evidence": ["test_a fails"]})
        if verdict is Verdict.PROVEN:
            await work.change(phase=Phase.DELIVER)
        else:
            caps = self._caps(work)
            await Reviewer(work, desk, caps).proof_failed(Reason.TESTS_FAILED, "No.", ["test_a fails"])


class Always:
    """The one forge of every session."""

    def __init__(self, forge: Outside) -> None:
        self._forge = forge

    def __call__(self, session: object) -> Outside:
        """Return it."""
        del session
        return self._forge


class Shop:
    """A workshop that is always sound."""

    async def check(self) -> None:
        """Be sound."""


class Fetched(Preparation):
    """The code is there."""

    async def fetch(self, work: Work, forge: object) -> None:
        """Name the base."""
        del forge
        await work.change(base_ref="main", base_sha=Bare.base)
