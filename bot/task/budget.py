"""Decide whether the next model call may be made, and keep account of what it costs."""

import dataclasses
from dataclasses import dataclass
from decimal import Decimal

from bot.claude import prices
from bot.claude.ask import Answer, Claude, Question
from bot.claude.failures import Interrupted
from bot.claude.usage import Usage
from bot.errors import JourneymanError
from storage import charges
from storage.database import Database

# The proof must not be starved by the conversation: this part of the budget is kept for generating tests.
KEPT_FOR_TESTS = Decimal("0.15")
TESTS = "tests"


class OutOfBudget(JourneymanError):
    """What is left buys no useful answer; the text says which cap was reached (`by_day`: the day's)."""

    def __init__(self, message: str, *, by_day: bool = False) -> None:
        super().__init__(message)
        self.by_day = by_day


@dataclass(frozen=True)
class Account:
    """Whose money is spent, and the two hard caps; `repository` is any key that stays the same for it."""

    database: Database
    task_id: str
    repository: str
    task_cap: Decimal
    daily_cap: Decimal

    async def spent(self) -> Decimal:
        """Return the task's cost so far in USD, reservations of calls in flight included."""
        async with self.database.reading() as session:
            return await charges.spent_by_task(session, self.task_id)

    def paying(self, claude: Claude, purpose: str, prompt_tokens: int) -> "Purse":
        """Return what asks questions of about so many prompt tokens and pays for them from this account."""
        return Purse(self, claude, purpose, prompt_tokens)

    async def reserve(self, purpose: str, question: Question, prompt_tokens: int) -> tuple[int, int]:
        """Set the worst case of a call aside; return the charge's id and the tokens that the answer may have.

        Raises OutOfBudget before anything is spent.
        """
        cap = self.task_cap if purpose == TESTS else self.task_cap * (1 - KEPT_FOR_TESTS)
        async with self.database.transaction() as session:
            await charges.one_at_a_time(session, self.repository)
            left_of_task = cap - await charges.spent_by_task(session, self.task_id)
            left_of_day = self.daily_cap - await charges.spent_today(session, self.repository)
            left = min(left_of_task, left_of_day)
            max_tokens = prices.affordable(question.model, prompt_tokens, left, question.max_tokens)
            if not max_tokens:
                by_day = left_of_day < left_of_task
                raise OutOfBudget(self._why(left_of_task, left_of_day), by_day=by_day)
            charge = await charges.reserve(
                session, task_id=self.task_id, repository=self.repository, purpose=purpose,
                model=question.model, usd=prices.reservation(question.model, prompt_tokens, max_tokens),
            )  # fmt: skip
        return charge, max_tokens

    async def settle(self, charge: int, model: str, usage: Usage) -> None:
        """Replace a reservation by what the call cost."""
        async with self.database.transaction() as session:
            await charges.settle(session, charge, prices.cost(model, usage), usage.as_dict())

    def _why(self, left_of_task: Decimal, left_of_day: Decimal) -> str:
        if left_of_day < left_of_task:
            return f"the repository's budget for today (${self.daily_cap:.2f}, until midnight UTC) is used up"
        return f"the task's budget (${self.task_cap:.2f}) is used up"


@dataclass(frozen=True)
class Purse:
    """Asks Claude, with each call reserved before and settled after."""

    account: Account
    claude: Claude
    purpose: str
    prompt_tokens: int

    async def ask(self, question: Question) -> Answer:
        """Return the answer; raises OutOfBudget, and what `Claude.ask` raises.

        A call whose end we never see (the process dies) keeps its reservation as its cost.
        """
        charge, most = await self.account.reserve(self.purpose, question, self.prompt_tokens)
        try:
            answer = await self.claude.ask(dataclasses.replace(question, max_tokens=most))
        except Interrupted as problem:  # a stream that broke was paid up to there
            await self.account.settle(charge, question.model, problem.usage)
            raise
        except JourneymanError:  # refused before any output: nothing is billed
            await self.account.settle(charge, question.model, Usage())
            raise
        await self.account.settle(charge, question.model, answer.usage)
        return answer
