"""Run the repository's own suite on the result and say what stopped passing and what is hidden."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.proof import compare, flaky
from bot.proof.compare import Difference
from bot.proof.junit import SuiteResult
from bot.proof.sides import Sides
from bot.proof.trees import Tree
from bot.proof.verdict import ProofSettings
from storage.words import TestState


@dataclass(frozen=True)
class Suites:
    """The suite on base, on the result under the base's own tests, and on the result as delivered."""

    before: SuiteResult
    guard: SuiteResult
    as_is: SuiteResult
    before_tree: Tree
    guard_tree: Tree
    as_is_tree: Tree
    regressions: list[Difference] = field(default_factory=list)
    hidden: list[Difference] = field(default_factory=list)
    flaky: set[str] = field(default_factory=set)


async def run(sides: Sides, before: SuiteResult | None, settings: ProofSettings) -> Suites:
    """Run the suite, twice on the result only when the change touches tests, and settle the differences."""
    seconds = settings.regression_timeout
    before_tree, guard_tree, as_is_tree = await sides.before(), await sides.guarded(), await sides.delivered()
    before = before or await before_tree.suite(seconds)
    guard = await guard_tree.suite(seconds)
    as_is = await as_is_tree.suite(seconds) if sides.change.guarded else guard
    found = Suites(before, guard, as_is, before_tree, guard_tree, as_is_tree)
    shown = sides.runner.shown or sides.runner.name
    lost = compare.regressions(before, guard, shown)
    chance = await flaky.among_lost(_single(lost), before_tree, guard_tree, settings)
    hidden = compare.hidden(before, guard, as_is, shown) if as_is is not guard else []
    # A failure that the change's copies don't show may be chance as well.
    failed = {d.name for d in hidden if d.now is TestState.FAILED and d.name not in chance}
    chance |= await flaky.among_failing(failed - _single(lost), guard_tree, settings)
    if as_is is not guard:
        more = _only_as_is(compare.regressions(before, as_is, shown), lost, hidden)
        chance |= await flaky.among_lost(_single(more), before_tree, as_is_tree, settings)
        lost += more
    found.regressions.extend(d for d in lost if d.name not in chance)
    found.hidden.extend(d for d in hidden if d.name not in chance)
    found.flaky.update(chance)
    return found


def _single(differences: Sequence[Difference]) -> set[str]:
    """Return the names of single tests, the run as a whole left out."""
    return {d.name for d in differences if "::" in d.name or d.name.endswith(".py")}


def _only_as_is(
    found: Sequence[Difference], lost: Sequence[Difference], hidden: Sequence[Difference]
) -> list[Difference]:
    """Return what fails only beside the change's own test files; what they hide is told elsewhere."""
    known = {d.name for d in (*lost, *hidden)}
    return [
        Difference(d.name, d.base, d.now, f"{d.why} (with the change's own test files)")
        for d in found
        if d.name not in known and (d.now is TestState.FAILED or "::" not in d.name)
    ]


def notes(suites: Suites, settings: ProofSettings, change_touches_tests: bool) -> list[str]:
    """Return what limits the comparison, as sentences."""
    before, guard = suites.before, suites.guard
    found = []
    if before.timed_out:
        found.append(
            f"The suite did not finish on the base commit within {settings.regression_timeout:g} s: "
            "what passed before is not known, so nothing was compared"
        )
    elif not before.complete:
        found.append(f"The suite could not be run on the base commit: {why(before)}")
    elif not before.cases:
        found.append("The repository has no tests of its own that its runner collects")
    if guard.timed_out and not before.complete:
        found.append("The suite did not finish on the result either")
    if before.count(TestState.FAILED):
        found.append(
            f"{before.count(TestState.FAILED)} tests fail on the base commit already; they may go on failing"
        )
    if change_touches_tests and guard.complete:
        found.append("The base's own tests were run against the result, beside the change's own")
    found += [f"On the base commit: {note}" for note in before.notes if before.complete]
    return found


def why(run: SuiteResult) -> str:
    """Say in one line why a run told nothing, from its notes and the end of its output."""
    last = next((line.strip() for line in reversed(run.output.splitlines()) if line.strip()), "")
    return compare.first_line("; ".join(run.notes) + (f" ({last})" if last else ""), 400)
