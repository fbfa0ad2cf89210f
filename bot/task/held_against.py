"""Decide what the work is held against: the base commit, with the tests that people changed on the branch.

What a person did to a test on the branch is their decision and no tampering of ours.
"""

from datetime import UTC, datetime

from bot.proof.own_tests import Role, Roles
from bot.proof.runner import Runner
from bot.task.desk import Desk
from bot.task.work import Work
from bot.workspace.objects import Objects
from bot.workspace.quarantine import Overlay

MOST_FILES = 500
MOST_BYTES = 2 * 2**20
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # the same facts make the same commit
NAME, EMAIL = "journeyman", "journeyman@localhost"


async def base(work: Work, desk: Desk, runner: Runner | None) -> str:
    """Return the commit to prove against: the task's base itself where people changed no test."""
    if desk.start == desk.base:
        return desk.base
    code = desk.quarantine
    theirs = {path for _, paths in await foreign(work, code, desk.base, desk.start) for path in paths}
    here, there = set(await code.files(desk.start)), set(await code.files(desk.base))
    roles = Roles(runner, here)
    tests = [path for path in sorted(theirs) if roles.of(path) in {Role.TEST, Role.SUPPORT}][:MOST_FILES]
    if not tests:
        return desk.base
    contents = await code.read_all(desk.start, [path for path in tests if path in here], MOST_BYTES)
    laid = [Overlay(path, content) for path, content in contents.items()]
    gone = [Overlay(path, None) for path in tests if path not in here and path in there]
    tree = await code.overlay(desk.base, [*laid, *gone])
    return await code.commit(tree, desk.base, "The base, with people's tests", NAME, EMAIL, LONG_AGO)


async def foreign(work: Work, code: Objects, since: str, until: str) -> list[tuple[str, list[str]]]:
    """Return author and paths of the commits on the branch that are not ours."""
    ours = (work.facts.get("author") or {}).get("email", EMAIL)
    return [(author, paths) for author, paths in await code.written(since, until) if author != ours]
