"""Bring the work to its branch, and to a pull request when it is proven."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog

from bot.errors import Blocked, UserFault
from bot.task.desk import Desk, configuration_of
from bot.task.forge import Forge, Source
from bot.task.work import Work
from bot.words import branch as branches
from bot.words.facts import SessionFacts
from bot.workspace import policy, secrets
from bot.workspace.outbox import BranchMoved, Outbox
from bot.workspace.quarantine import Overlay
from storage import clock, sessions, test_cases
from storage.words import TestState, TestType

log = structlog.get_logger(__name__)

MOST_SCANNED_BYTES = 5 * 2**20
MOST_BRANCH_NAMES = 20


class Withheld(UserFault):
    """The work may not leave: policy or the secret scan found something; the text names it."""


class Delivery:
    """The way of one task's work to the outside."""

    def __init__(
        self, work: Work, desk: Desk, forge: Forge, session: SessionFacts, known_secrets: Sequence[str]
    ) -> None:
        self._work = work
        self._desk = desk
        self._forge = forge
        self._session = session
        self._secrets = known_secrets

    async def push(self, tree: str, message: str) -> str:
        """Commit the tree, push it to the session's branch, and return the commit; repeating is harmless.

        Raises Withheld, PushRefused, Blocked, WorldFault.
        """
        await self._check(tree)
        if self._work.facts.get("committed_at") is None:
            await self._work.note(committed_at=clock.now().isoformat())
        parent = self._desk.base
        author = self._work.facts.get("author") or {"name": "journeyman", "email": "journeyman@localhost"}
        commit = await self._desk.quarantine.commit(
            tree, parent, message, author["name"], author["email"],
            datetime.fromisoformat(self._work.facts["committed_at"]),
        )  # fmt: skip
        source = await self._forge.source(self._work, "write")
        await self._bring(commit, tree, source)
        await self._work.change(head_sha=commit)
        return commit

    async def _bring(self, commit: str, tree: str, source: Source) -> None:
        """Push to the session's branch, or to the first free name when someone else has that one."""
        outbox, names = Outbox(self._desk.quarantine), await self._names()
        for name in names:
            try:
                await outbox.push(source.url, source.authorization, commit, name, None, local=source.local)
            except BranchMoved as moved:
                log.info("branch.taken", branch=name, why=str(moved))
                continue
            await outbox.verify(source.url, source.authorization, name, commit, tree, local=source.local)
            await self._work.change_session(branch=name)
            return
        if len(names) == 1:
            raise Blocked(f"the branch {names[0]} has commits that are not ours")
        raise Blocked(f"every branch name from {names[0]} on is taken: delete old ones")

    async def _names(self) -> list[str]:
        if self._work.session.branch is not None:
            return [self._work.session.branch]
        async with self._work.database.reading() as reading:
            earlier = await sessions.earlier(reading, self._work.session)
        return [branches.name(self._session, earlier + n) for n in range(1, MOST_BRANCH_NAMES + 1)]

    async def _check(self, tree: str) -> None:
        changes = await self._desk.quarantine.changes(self._desk.base, tree)
        violations = policy.check(changes, configuration_of(self._work).paths.deny)
        if violations:
            raise Withheld(" ".join(violation.why for violation in violations[:5]))
        added = await self._desk.quarantine.added(self._desk.base, changes, MOST_SCANNED_BYTES)
        found = await asyncio.to_thread(secrets.find, added, self._secrets)
        if found:
            places = ", ".join(
                f"{finding.kind} in {policy.printable(finding.where)}" for finding in found[:5]
            )
            raise Withheld(f"the change holds what looks like a secret ({places})")

    async def with_tests(self, tree: str) -> str:
        """Return the tree with the generated tests that show the bug, when the repository keeps them."""
        if configuration_of(self._work).generated_tests == "drop":
            return tree
        async with self._work.database.reading() as reading:
            cases = await test_cases.of_task(reading, self._work.id, TestType.GENERATED)
        telling = {
            case.path
            for case in cases
            if case.base_status is TestState.FAILED and case.status is TestState.PASSED
        }
        written = (self._work.facts.get("generated") or {}).get("tests", [])
        files = [Overlay(one["path"], one["code"].encode()) for one in written if one["path"] in telling]
        code, deny = self._desk.quarantine, configuration_of(self._work).paths.deny
        made = await code.overlay(tree, files)
        denied = {one.path for one in policy.check(await code.changes(tree, made), deny)}
        if not denied:
            return made
        # The tests are ours: what forbids them must not hold up the work.
        return await code.overlay(tree, [one for one in files if policy.printable(one.path) not in denied])
