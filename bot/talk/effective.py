"""Say which configuration is in force in a repository, and where each of its values comes from."""

from decimal import Decimal

from bot.settings import Settings
from bot.task.configuration import Configuration
from bot.words.configured import Setting, Source


def settings(found: Configuration, host: Settings, *, fresh: bool) -> list[Setting]:
    """Return every key of the contract's section 5 with its effective value.

    `fresh`: it is what the file says now. Of one that was kept the values alone are known, and so only what
    differs from the defaults counts as written there.
    """
    defaults = Configuration()
    keys = found.model_fields_set if fresh else set(Configuration.model_fields)
    written = {
        key
        for key in keys
        if getattr(found, key) is not None and (fresh or getattr(found, key) != getattr(defaults, key))
    }
    shown = found.model_dump()
    shown.update(
        label=found.label or host.label,
        base=found.base or "the repository's default branch",
        model=found.model or host.model,
        budget_usd=float(min(found.budget or host.task_budget_usd, host.task_budget_usd)),
        test=found.test or "detected",
        setup=found.setup if found.setup is not None else "detected",
    )
    shown["human"]["max_pauses"] = (
        host.max_pauses if found.human.max_pauses is None else found.human.max_pauses
    )
    return [Setting(key, value, _source(key, found, written, host)) for key, value in shown.items()]


def _source(key: str, found: Configuration, written: set[str], host: Settings) -> Source:
    if key == "budget_usd" and (found.budget or Decimal(0)) > host.task_budget_usd:
        return Source.CAP
    if key in written:
        return Source.FILE
    if key in {"test", "setup"}:
        return Source.DETECTED
    return Source.HOST if key in {"label", "model", "budget_usd"} else Source.DEFAULT
