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
from storage import clock, sessions, tasks, test_cases
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
        commit = await self.commit(tree, message)
        await self._bring(commit, tree, await self._forge.source(self._work, "write"), await self._names())
        await self._work.change(head_sha=commit)
        return commit

    async def forward(self, commit: str, tree: str) -> None:
        """Bring a commit that is pushed elsewhere to the session's branch; raises as `push` does."""
        await self._check(tree)
        await self._bring(commit, tree, await self._forge.source(self._work, "write"), await self._names())

    async def keep_aside(self, tree: str, message: str) -> str:
        """Commit the tree and push it to a branch of its own, beside the session's; raises as `push` does."""
        commit = await self.commit(tree, message)
        async with self._work.database.reading() as reading:
            every = await tasks.of_session(reading, self._work.session.id)
        attempt = sum(task.created_at <= self._work.task.created_at for task in every)
        source = await self._forge.source(self._work, "write")
        name = f"{self._work.session.branch}-attempt-{attempt}"
        await self._work.note(kept_branch=name)
        await self._push(commit, tree, source, name, None)
        await self._work.change(head_sha=commit)
        return commit

    async def commit(self, tree: str, message: str) -> str:
        """Return the commit of the tree on what the branch held; the same one every time. Raises Withheld."""
        await self._check(tree)
        if self._work.facts.get("committed_at") is None:
            await self._work.note(committed_at=clock.now().isoformat())
        parent = str(self._work.facts.get("parent") or self._desk.base)
        author = self._work.facts.get("author") or {"name": "journeyman", "email": "journeyman@localhost"}
        return await self._desk.quarantine.commit(
            tree, parent, message, author["name"], author["email"],
            datetime.fromisoformat(self._work.facts["committed_at"]),
        )  # fmt: skip

    async def _bring(self, commit: str, tree: str, source: Source, names: Sequence[str]) -> None:
        """Push to the session's branch, or to the first free name when someone else has that one."""
        for name in names:
            expected = self._work.facts.get("branch_head") if self._work.session.branch else None
            try:
                await self._push(commit, tree, source, name, expected)
            except BranchMoved as moved:
                if self._work.session.branch is not None:
                    raise
                log.info("branch.taken", branch=name, why=str(moved))
                continue
            await self._work.change_session(branch=name)
            return
        raise Blocked(f"every branch name from {names[0]} on is taken: delete old ones")

    async def _push(self, commit: str, tree: str, source: Source, name: str, expected: str | None) -> None:
        outbox = Outbox(self._desk.quarantine)
        await outbox.push(source.url, source.authorization, commit, name, expected, local=source.local)
        await outbox.verify(source.url, source.authorization, name, commit, tree, local=source.local)

    async def _names(self) -> list[str]:
        if self._work.session.branch is not None:
            return [self._work.session.branch]
        async with self._work.database.reading() as reading:
            earlier = await sessions.earlier(reading, self._work.session)
        return [branches.name(self._session, earlier + n) for n in range(1, MOST_BRANCH_NAMES + 1)]

    async def _check(self, tree: str) -> None:
        changes = await self._desk.quarantine.changes(self._desk.start, tree)
        violations = policy.check(changes, configuration_of(self._work).paths.deny)
        if violations:
            raise Withheld(" ".join(violation.why for violation in violations[:5]))
        added = await self._desk.quarantine.added(self._desk.start, changes, MOST_SCANNED_BYTES)
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
