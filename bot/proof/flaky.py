"""Decide by running again which differences are chance."""

from collections.abc import Collection, Sequence

from bot.proof import compare
from bot.proof.junit import SuiteResult
from bot.proof.trees import Tree
from bot.proof.verdict import ProofSettings
from storage.words import TestState


async def among_lost(names: Collection[str], base: Tree, now: Tree, settings: ProofSettings) -> set[str]:
    """Return those of *names* (passed on base, not on the result) whose outcome is not steady.

    Chosen files are run again on the result. A test that passes then is run in the whole suite once more, the
    conditions in which it failed: an order-dependent failure is a failure. What stays failed is run again on
    base in the same way, for it may have passed there by luck.
    """
    if not names or not settings.flaky_reruns:
        return set()
    if len(names) > settings.rerun_limit or now.runner.selection is None:
        # Too many to be chance, unless their names are: ids made of a clock or of random numbers.
        return (
            _not_passed(names, [await base.suite(settings.regression_timeout)])
            if _parametrised(names)
            else set()
        )
    lucky = _passed(names, await _again(names, now, settings))
    flaky = _passed(lucky, [await now.suite(settings.regression_timeout)]) if lucky else set()
    steady = set(names) - flaky
    doubtful = _not_passed(steady, await _again(steady, base, settings))
    if doubtful:
        flaky |= _not_passed(doubtful, [await base.suite(settings.regression_timeout)])
    return flaky


async def among_gained(
    names: Collection[str], base: Tree, now: Tree, settings: ProofSettings, seconds: float | None = None
) -> set[str]:
    """Return those of *names* (failed on base, pass on the result) that came out otherwise when run again."""
    flaky = _not_in(names, await _again(names, now, settings, seconds), TestState.PASSED)
    steady = set(names) - flaky
    return flaky | _not_in(steady, await _again(steady, base, settings, seconds), TestState.FAILED)


async def among_failing(
    names: Collection[str], now: Tree, settings: ProofSettings, seconds: float | None = None
) -> set[str]:
    """Return those of *names* (fail on the result) that passed when run again."""
    if len(names) > settings.rerun_limit:
        return set()
    return _passed(names, await _again(names, now, settings, seconds))


async def _again(
    names: Collection[str], tree: Tree, settings: ProofSettings, seconds: float | None = None
) -> list[SuiteResult]:
    """Run the files of *names* again, each within *seconds* (the suite's bound unless said)."""
    files = {name.partition("::")[0] for name in names}
    return await tree.files(sorted(files), seconds or settings.regression_timeout, settings.flaky_reruns)


def _passed(names: Collection[str], runs: Sequence[SuiteResult]) -> set[str]:
    return {name for name in names if any(compare.state(run, name) is TestState.PASSED for run in runs)}


def _not_passed(names: Collection[str], runs: Sequence[SuiteResult]) -> set[str]:
    return _not_in(names, runs, TestState.PASSED)


def _not_in(names: Collection[str], runs: Sequence[SuiteResult], state: TestState) -> set[str]:
    return {name for name in names if any(compare.state(run, name) is not state for run in runs)}


def _parametrised(names: Collection[str]) -> bool:
    return any("[" in name for name in names)
