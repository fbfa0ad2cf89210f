"""No call is made that the caps can't pay for, and every call is on the books before and after."""

import asyncio
import contextlib
from decimal import Decimal
from typing import Any

import pytest

from bot.claude import failures, prices
from bot.claude.ask import Answer, Question
from bot.claude.usage import Usage
from bot.task.budget import TESTS, Account, OutOfBudget
from storage import charges
from storage.database import Database
from tests import records

MODEL = "claude-opus-5-5"
QUESTION = Question(model=MODEL, messages=[{"role": "user", "content": "hi"}], max_tokens=prices.MOST_OUTPUT)


class Asked:
    """Answers or fails as told, and remembers what it was asked and what was on the books meanwhile."""

    def __init__(self, database: Database, task_id: str, outcome: Usage | BaseException) -> None:
        self._database = database
        self._task_id = task_id
        self._outcome = outcome
        self.questions: list[Question] = []
        self.meanwhile = Decimal(0)

    async def ask(self, question: Question) -> Answer:
        """Answer."""
        self.questions.append(question)
        async with self._database.reading() as reading:
            self.meanwhile = await charges.spent_by_task(reading, self._task_id)
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return Answer({"role": "assistant", "content": []}, "end_turn", self._outcome, None, MODEL)


async def _ask(
    database: Database,
    outcome: Usage | BaseException,
    purpose: str = "step",
    prompt: int = 1_000,
    **caps: str,
) -> tuple[Asked, Account]:
    task = await records.a_task(database, await records.a_session(database, int(caps.pop("issue", "1"))))
    amounts = {"task_cap": Decimal(5), "daily_cap": Decimal(50)} | {k: Decimal(v) for k, v in caps.items()}
    account = Account(database, task.id, "acme/shop", **amounts)
    asked = Asked(database, task.id, outcome)
    claude: Any = asked
    with contextlib.suppress(failures.Unavailable, failures.Rejected, asyncio.CancelledError):
        await account.paying(claude, purpose, prompt).ask(QUESTION)
    return asked, account


async def test_the_worst_case_is_reserved_before_and_the_cost_settled_after(database: Database) -> None:
    """In between, the books show the most that the call can cost."""
    used = Usage(input=1_000, output=500)
    asked, account = await _ask(database, used)
    assert asked.questions[0].max_tokens == prices.MOST_OUTPUT
    assert asked.meanwhile == prices.reservation(MODEL, 1_000, prices.MOST_OUTPUT)
    assert await account.spent() == prices.cost(MODEL, used) == Decimal("0.014")


async def test_a_call_whose_end_was_never_seen_counts_in_full(database: Database) -> None:
    """A stop or a dead process leaves the reservation as the cost: a cap must not be undercut."""
    asked, account = await _ask(database, asyncio.CancelledError())
    assert await account.spent() == asked.meanwhile > 0


async def test_a_stream_that_broke_costs_what_it_had_used(database: Database) -> None:
    """No less, and not the whole reservation."""
    _, account = await _ask(database, failures.Interrupted("cut", Usage(input=1_000, output=100)))
    assert await account.spent() == prices.cost(MODEL, Usage(input=1_000, output=100))


@pytest.mark.parametrize("refused", [failures.Overloaded("529"), failures.Rejected("no")])
async def test_a_call_that_was_refused_costs_nothing(sqlite: Database, refused: Exception) -> None:
    """The API bills no answer that it did not begin."""
    _, account = await _ask(sqlite, refused)
    assert await account.spent() == 0


async def test_the_answer_is_as_long_as_the_money_lasts(sqlite: Database) -> None:
    """Below 32,000 tokens the rest of the budget decides."""
    asked, _ = await _ask(sqlite, Usage(), prompt=0, task_cap="0.10")
    assert asked.questions[0].max_tokens == 0.085 / 20 * 1_000_000


async def test_a_call_that_buys_too_little_is_not_made(sqlite: Database) -> None:
    """Below 2,000 tokens of answer the budget is used up, and nothing more is spent."""
    with pytest.raises(OutOfBudget, match=r"the task's budget \(\$0.04\)"):
        await _ask(sqlite, AssertionError("was asked"), prompt=0, task_cap="0.04")


async def test_a_part_of_the_budget_is_kept_for_the_tests(sqlite: Database) -> None:
    """Where the conversation has no money left, the proof still has."""
    with pytest.raises(OutOfBudget):
        await _ask(sqlite, AssertionError("was asked"), prompt=0, task_cap="0.045")
    asked, _ = await _ask(sqlite, Usage(), TESTS, prompt=0, task_cap="0.045", issue="2")
    assert asked.questions[0].max_tokens == 2_250


async def test_the_repository_has_a_cap_for_the_day(database: Database) -> None:
    """What other tasks of the repository cost today counts, calls in flight included."""
    await _ask(database, asyncio.CancelledError())
    with pytest.raises(OutOfBudget, match="the repository's budget for today"):
        await _ask(database, AssertionError("was asked"), daily_cap="0.66", issue="2")


async def test_calls_reserved_at_once_stay_within_the_day(database: Database) -> None:
    """Of tasks of one repository that ask at the same moment, only as many get money as there is."""
    owners = [await records.a_session(database, number) for number in range(6)]
    made = [await records.a_task(database, owner) for owner in owners]
    worst = prices.reservation(MODEL, 0, prices.MOST_OUTPUT)
    accounts = [Account(database, task.id, "7", Decimal(50), worst * 2) for task in made]
    tried = await asyncio.gather(
        *(one.reserve("step", QUESTION, 0) for one in accounts), return_exceptions=True
    )
    async with database.reading() as reading:
        assert await charges.spent_today(reading, "7") <= worst * 2
    assert [type(one) for one in tried].count(OutOfBudget) == 4
