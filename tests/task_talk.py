"""A conversation whose Claude is scripted and whose desk does nothing but remember."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

from bot.claude.ask import Answer, Call, Question
from bot.claude.usage import Usage
from bot.task.conversation import Conversation
from bot.task.reviewer import Reviewer
from bot.task.work import Caps, Phase, Work
from bot.workspace.tools import ToolOutcome
from storage import clock
from storage.database import Database
from storage.models import Interaction
from storage.words import InteractionType, TaskState
from tests import records

MODEL = "claude-opus-5-5"
BASE_TREE = "b" * 40
CAPS = Caps(budget_usd=Decimal(5), daily_usd=Decimal(50), iterations=20, steps=200, pauses=5, cadence=(3, 5))
Turn = Answer | BaseException


def text(words: str, stop: str | None = "end_turn") -> Answer:
    """Return an answer that calls nothing."""
    return answer({"type": "text", "text": words}, stop=stop)


def calls(*wanted: tuple[str, Any], stop: str = "tool_use", cut: bool = False, tag: str = "") -> Answer:
    """Return an answer that calls tools by name and input; with `cut` the last one is not whole."""
    blocks = [
        {"type": "tool_use", "id": f"toolu_{tag or id(wanted)}_{n}", "name": name, "input": given}
        for n, (name, given) in enumerate(wanted)
    ]
    return answer(*blocks, stop=stop, cut=cut)


def answer(*blocks: dict[str, Any], stop: str | None = "tool_use", cut: bool = False) -> Answer:
    """Return an answer of these blocks."""
    called = [block for block in blocks if block["type"] == "tool_use"]
    made = tuple(
        Call(block["id"], block["name"], block["input"], whole=not (cut and block is called[-1]))
        for block in called
    )
    return Answer(
        {"role": "assistant", "content": list(blocks)},
        stop,
        Usage(input=1_000, output=100),
        "req_1",
        MODEL,
        made,
    )


class Scripted:
    """A Claude that says what it is told to, in order."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = list(turns)
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        """Say the next thing."""
        self.asked.append(question)
        turn = self.turns.pop(0)
        if isinstance(turn, BaseException):
            raise turn
        return turn


class Bare:
    """A desk without a sandbox: its tree is a word that an edit changes."""

    base = "c" * 40
    snapshot_due = False

    def __init__(self, work: Work) -> None:
        self.work = work
        self.tree_now = BASE_TREE
        self.used: list[str] = []
        self.quarantine = self
        self.results: dict[str, ToolOutcome] = {}
        self.before_use: Callable[[], Awaitable[None]] | None = None

    @property
    def start(self) -> str:
        """The commit that the task began with: the base, unless it goes on with a branch."""
        return str(self.work.facts.get("start") or self.base)

    async def ready(self) -> None:
        """Be ready."""

    async def use(self, name: str, given: Any) -> ToolOutcome:
        """Run a tool: "edit" makes a change, "break" fails."""
        command = str(given.get("command", ""))
        self.used.append(command or name)
        if self.before_use is not None:
            await self.before_use()
        if command.startswith("edit"):
            self.tree_now = f"tree after {command}".ljust(40, "0")
        return ToolOutcome(f"ran {command}", is_error=command.startswith("break"))

    async def snapshot(self) -> str:
        """Keep the tree."""
        await self.work.change(tree=self.tree_now)
        return self.tree_now

    async def tree_of(self, commit: str) -> str:
        """Return the tree that the task began with."""
        assert commit == self.start
        return BASE_TREE

    async def changes(self, base: str, tree: str) -> list[Any]:
        """Return no details."""
        del base, tree
        return []


class Talk:
    """One conversation of one task."""

    def __init__(self, database: Database, work: Work, caps: Caps, turns: Sequence[Turn]) -> None:
        self.database = database
        self.work = work
        self.claude = Scripted(turns)
        self.desk = Bare(work)
        self.caps = caps

    @classmethod
    async def begin(cls, database: Database, *turns: Turn, caps: Caps = CAPS, **values: Any) -> "Talk":
        """Begin a conversation after the first message."""
        task = await records.a_task(
            database, status=TaskState.RUNNING, phase=Phase.CONVERSE, started_at=clock.now(),
            facts={"title": "Totals are wrong", "body": "They are."}, **{"seed": 7} | values,
        )  # fmt: skip
        work = await Work.load(database, task.id, task.runs)
        await work.append((InteractionType.USER_REQUEST, {"text": "Fix it"}), iterations=1)
        return cls(database, work, caps, turns)

    async def step(self) -> None:
        """Do one step."""
        await self._conversation().step()

    def _conversation(self) -> Conversation:
        return Conversation(self.claude, self.work, self.desk, self.caps, MODEL)  # type: ignore[arg-type]

    def reviewer(self) -> Reviewer:
        """Return the simulated human of this task."""
        return Reviewer(self.work, self.desk, self.caps)  # type: ignore[arg-type]

    async def run(self, most: int = 100) -> str:
        """Talk until the phase changes, and return it."""
        for _ in range(most):
            if self.work.task.phase != Phase.CONVERSE or not (self.claude.turns or await self._busy()):
                return self.work.task.phase
            await self.step()
        raise AssertionError("the conversation goes on and on")

    async def _busy(self) -> bool:
        last = (await self.work.entries())[-1]
        return last.interaction_type in {InteractionType.CLAUDE_RESPONSE, InteractionType.TOOL_CALL}

    async def words(self) -> list[str]:
        """Return the kinds of the simulated human's words so far."""
        return [str(e.content["kind"]) for e in await self.said(InteractionType.SIMULATED_HUMAN)]

    async def said(self, kind: InteractionType) -> list[Interaction]:
        """Return the entries of one type."""
        return [entry for entry in await self.work.entries() if entry.interaction_type is kind]
