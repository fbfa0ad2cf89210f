"""Let a task in: who may, what holds for it, and what it takes over from the session's earlier tasks."""

from decimal import Decimal
from typing import Any

from bot.claude import prices
from bot.settings import Settings
from bot.task.forge import Forge
from bot.task.work import Phase, Work
from storage import tasks
from storage.words import TaskKind


async def admit(work: Work, forge: Forge, settings: Settings) -> None:
    """Let the task in, then hand it to the queue for a slot.

    What a command asked for wins over the repository's configuration, and the host's cap over both. Raises
    what `Forge.admit` raises, and Blocked for a model without a known price.
    """
    admission = await forge.admit(work)
    options = work.task.trigger.get("options") or {}
    configuration = admission.configuration
    if options.get("proof"):
        configuration = configuration.model_copy(update={"proof": options["proof"]})
    model = options.get("model") or configuration.model or settings.model
    prices.tariff(model)  # refuses what can't be capped, now
    cap = settings.task_budget_usd
    wished = Decimal(options["budget"]) if options.get("budget") else configuration.budget or cap
    before = await _before(work)
    async with work.writing() as writing:
        await tasks.set_facts(
            writing, work.id, base=admission.base, author=dict(admission.author),
            configuration=configuration.model_dump(), title=admission.title, body=admission.body,
            comments=[{"author": one.author, "text": one.text} for one in admission.comments],
            **before,
        )  # fmt: skip
        await tasks.yield_slot(
            writing, work.id, None, phase=Phase.PREPARE, progress=tasks.WAITS,
            model=model, budget_usd=min(wished, cap),
        )  # fmt: skip


async def _before(work: Work) -> dict[str, Any]:
    """Return the branch on which a retried attempt kept its work, and the tests that are paid for."""
    if work.task.kind is TaskKind.IMPLEMENT:
        return {}
    async with work.database.reading() as reading:
        earlier = [task for task in await tasks.of_session(reading, work.session.id) if task.id != work.id]
    retried = next((task for task in earlier if task.id == work.task.trigger.get("retry_of")), None)
    known = next((task.facts["generated"] for task in earlier if task.facts.get("generated")), None)
    if work.task.trigger.get("origin") == "retry":
        known = None  # it may be the tests that were wrong
    return {"aside": retried.facts.get("kept_branch") if retried is not None else None, "generated": known}
