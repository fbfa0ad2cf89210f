"""Decide what the work is held against: the base commit, with the tests that people changed on the branch.

What a person did to a test on the branch is their decision and no tampering of ours.
"""

from datetime import UTC, datetime

from bot.errors import Blocked
from bot.proof.own_tests import Role, Roles
from bot.proof.runner import Runner
from bot.task.desk import Desk
from bot.task.work import Work
from bot.workspace.quarantine import Overlay, Quarantine
from storage import tasks

MOST_FILES = 500
MOST_BYTES = 2 * 2**20
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # the same facts make the same commit
NAME, EMAIL = "journeyman", "journeyman@localhost"


async def base(work: Work, desk: Desk, runner: Runner | None) -> str:
    """Return the commit to prove against: the task's base itself where people changed no test."""
    if desk.start == desk.base:
        return desk.base
    code = desk.quarantine
    async with work.database.reading() as reading:
        before = await tasks.pushed_before(reading, work.task)
    if before is not None and not await _is_known(code, before):
        before = None  # someone rewrote the branch: nothing tells apart whose commits are whose
    theirs = await code.changes(before, desk.start) if before is not None else []
    roles = Roles(runner, await code.files(desk.start))
    paths = [one for one in theirs if roles.of(one.path) in {Role.TEST, Role.SUPPORT}][:MOST_FILES]
    if not paths:
        return desk.base
    kept = [one.path for one in paths if not one.status.startswith("D")]
    contents = await code.read_all(desk.start, kept, MOST_BYTES)
    laid = [Overlay(path, content) for path, content in contents.items()]
    gone = [Overlay(one.path, None) for one in paths if one.status.startswith("D")]
    there = set(await code.files(desk.base))
    tree = await code.overlay(desk.base, [*laid, *(one for one in gone if one.path in there)])
    return await code.commit(tree, desk.base, "The base, with people's tests", NAME, EMAIL, LONG_AGO)


async def _is_known(code: Quarantine, commit: str) -> bool:
    try:
        await code.resolve(commit)
    except Blocked:
        return False
    return True
