"""Run one suite, or chosen files of it, on one prepared tree, and say honestly what came back."""

import asyncio
import posixpath
import secrets
from collections.abc import Collection, Sequence

import structlog

from bot.proof import junit
from bot.proof.bench import Ground, Ran
from bot.proof.junit import CaseResult, SuiteResult
from bot.proof.runner import REPORT, Runner
from storage.words import TestState

log = structlog.get_logger(__name__)

OUTPUT_LIMIT = 20_000  # characters kept of a run's own output


async def suite(
    ground: Ground, runner: Runner, *, seconds: float, paths: Collection[str] = ()
) -> SuiteResult:
    """Run the whole suite within *seconds*; *paths* are the tree's files, from which tests get names."""
    return await _run(ground, runner, runner.command, (), seconds, paths)


async def selection(
    ground: Ground, runner: Runner, chosen: Sequence[str], *, seconds: float, paths: Collection[str] = ()
) -> SuiteResult:
    """Run only the test files *chosen* (paths from the repository's root) within *seconds*."""
    if runner.selection is None:
        return SuiteResult(complete=False, notes=("this runner can't run single files",))
    files = tuple(posixpath.relpath(path, runner.directory) for path in chosen)
    # A name that starts with a dash would be read as an option.
    files = tuple(f"./{path}" if path.startswith("-") else path for path in files)
    return await _run(ground, runner, runner.selection, files, seconds, paths)


async def each(
    ground: Ground, runner: Runner, chosen: Sequence[str], *, seconds: float, paths: Collection[str] = ()
) -> SuiteResult:
    """Run files that may take *seconds* each: together first, and one by one when together takes too long.

    A file that runs into its own time-out, or ends without a report, is one failed case named after the path;
    the run is complete unless every file ended so without a time-out.
    """
    if not chosen:
        return SuiteResult()
    together = await selection(ground, runner, chosen, seconds=seconds, paths=paths)
    if together.complete:
        return together
    cases: dict[str, CaseResult] = {}
    spent = together.seconds
    complete = False
    for path in chosen:
        alone = await selection(ground, runner, [path], seconds=seconds, paths=paths)
        spent += alone.seconds
        cases |= alone.cases
        complete = complete or alone.complete
        if not alone.complete:
            why = f"timed out after {seconds:g} s" if alone.timed_out else "; ".join(alone.notes)
            cases[path] = CaseResult(path, TestState.FAILED, alone.seconds, why, alone.output)
    complete = complete or any("timed out" in case.message for case in cases.values())
    return SuiteResult(cases, None, False, together.output, spent, complete, together.notes)


async def _run(
    ground: Ground,
    runner: Runner,
    command: Sequence[str],
    files: Sequence[str],
    seconds: float,
    paths: Collection[str],
) -> SuiteResult:
    if not runner.reports:
        return _exit_code_only(runner, await _go(ground, runner, [*command, *files], seconds, None))
    notes: list[str] = []
    # An unguessable name: a report left behind by an earlier process can't be taken for this one's.
    report = f"report-{secrets.token_hex(8)}.xml"
    flags = [flag.replace(REPORT, f"{ground.out}/{report}") for flag in runner.report_flags]
    attempts = [[*flags, *runner.optional_flags], flags, [*flags, *runner.lenient_flags]]
    spent = 0.0
    for attempt in attempts:
        ran = await _go(ground, runner, [*command, *attempt, *files], seconds - spent, report)
        spent += ran.seconds
        if ran.timed_out or ran.exit_code != runner.usage_error:
            break
    else:
        notes.append(f"{runner.name} refused its command line")
    if attempt is attempts[-1] and not notes:
        notes.append(f"{runner.name} refused the configured options; run without them")
    return await _read(ran, runner, paths, notes, spent)


async def _read(
    ran: Ran, runner: Runner, paths: Collection[str], notes: list[str], spent: float
) -> SuiteResult:
    cases: dict[str, CaseResult] = {}
    complete = False
    if ran.timed_out:
        notes.append(f"stopped after {spent:.0f} s, before its report was written")
    elif ran.report is None:
        notes.append(f"ended with exit code {ran.exit_code} and without a report")
    else:
        try:
            cases = await asyncio.to_thread(junit.parse, ran.report, paths=paths, directory=runner.directory)
            complete = True
        except junit.ReportError as error:
            notes.append(str(error))
            log.warning("report.refused", why=str(error))
    return SuiteResult(cases, ran.exit_code, ran.timed_out, _tail(ran.output), spent, complete, tuple(notes))


def _exit_code_only(runner: Runner, ran: Ran) -> SuiteResult:
    state = TestState.PASSED if ran.exit_code == 0 else TestState.FAILED
    message = "" if state is TestState.PASSED else f"exit code {ran.exit_code}"
    case = CaseResult(runner.shown, state, ran.seconds, message, _tail(ran.output)[-junit.TEXT_LIMIT :])
    cases = {} if ran.timed_out else {case.name: case}
    notes = ("only the exit code of the command is known",)
    return SuiteResult(
        cases, ran.exit_code, ran.timed_out, _tail(ran.output), ran.seconds, not ran.timed_out, notes
    )


async def _go(ground: Ground, runner: Runner, argv: Sequence[str], seconds: float, report: str | None) -> Ran:
    ran = await ground.run(argv, seconds=max(seconds, 1), report=report, environment=runner.environment)
    log.info(
        "suite.ran", runner=runner.name, exit_code=ran.exit_code, timed_out=ran.timed_out, seconds=ran.seconds
    )
    return ran


def _tail(output: str) -> str:
    return output if len(output) <= OUTPUT_LIMIT else "…" + output[-OUTPUT_LIMIT:]
