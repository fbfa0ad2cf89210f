"""Bring proven work to its branch beside the commits of people: built upon, never overwritten."""

from collections.abc import Awaitable, Callable

import structlog

from bot.errors import Blocked
from bot.task.delivery import Delivery
from bot.task.desk import Desk
from bot.task.forge import Forge
from bot.task.held_against import EMAIL, LONG_AGO, NAME
from bot.task.preparation import Preparation
from bot.task.work import Phase, Work
from bot.workspace.outbox import BranchMoved
from storage import events, interactions, snapshots, tasks
from storage.words import TaskKind

log = structlog.get_logger(__name__)

MOST_MERGES = 3  # someone who pushes all the time must not keep the proof running for ever

Whole = Callable[[Work, Desk, Delivery], Awaitable[str]]
Message = Callable[[Work, Desk], Awaitable[str]]


class Pushing:
    """The push of one task, and what happens when its branch is not where the task began."""

    def __init__(self, work: Work, desk: Desk, delivery: Delivery, preparation: Preparation) -> None:
        self._work = work
        self._desk = desk
        self._delivery = delivery
        self._preparation = preparation

    async def done(self, forge: Forge, whole: Whole, message: Message) -> bool:
        """Push; False when both sides were joined instead and the result goes back to the proof.

        Raises Blocked when they can't be joined, and what `Delivery.push` raises.
        """
        work, desk = self._work, self._desk
        if work.task.kind is TaskKind.RETEST and work.session.branch is not None:
            tree = await desk.quarantine.tree_of(desk.start)
            await work.note(delivered_tree=tree)
            if desk.start != work.facts.get("branch_head"):  # an attempt that was kept aside, proven now
                await self._delivery.forward(desk.start, tree)
            await work.change(head_sha=desk.start)
            return True
        if not work.facts.get("delivered_tree"):
            await work.note(delivered_tree=await whole(work, desk, self._delivery))
        tree = work.facts["delivered_tree"]
        try:
            await self._delivery.push(tree, await message(work, desk))
        except BranchMoved as moved:
            if work.facts.get("branch_head") is None:
                raise
            await self._join(forge, tree, await message(work, desk), moved)
            return False
        return True

    async def _join(self, forge: Forge, tree: str, message: str, moved: BranchMoved) -> None:
        """Take in what others pushed meanwhile, so that the next proof is of both."""
        work, code = self._work, self._desk.quarantine
        merges = int(work.facts.get("merges", 0)) + 1
        theirs = await self._preparation.head_of(work, forge)
        if theirs is None or merges > MOST_MERGES:
            raise Blocked(f"the branch {work.session.branch!r} does not keep still: {moved}")
        await self._delivery.commit(tree, message)  # what may not leave must not be joined either
        joined = await self._joined(tree, theirs)
        if joined is None:
            raise Blocked(
                f"commits that people pushed to {work.session.branch!r} meanwhile touch the same lines "
                "as mine; `/journeyman retry` starts from theirs"
            )
        log.info("branch.joined", branch=work.session.branch, theirs=theirs, merges=merges)
        pack = await code.pack(joined, theirs)
        async with work.writing() as writing:
            seq = await interactions.last_seq(writing, work.id)
            await snapshots.save(writing, work.id, seq, joined, pack)
            await tasks.set_facts(
                writing, work.id, start=theirs, parent=theirs, branch_head=theirs, merges=merges,
                delivered_tree=None, committed_at=None, judged={}, laid_out=None,
            )  # fmt: skip
            await tasks.change(
                writing, work.id, tree=joined, phase=Phase.PROVE, progress="testing both together"
            )
            await events.note(writing, work.id, "people pushed to the branch; their commits were taken in")

    async def _joined(self, tree: str, theirs: str) -> str | None:
        """Return the tree of both sides' changes since the task began, None when they touch the same lines.

        Both are held against where the task began, whatever their histories say: what someone threw away by a
        forced push must not come back with our work.
        """
        code, start = self._desk.quarantine, self._desk.start
        ours = await code.commit(tree, start, "ours", NAME, EMAIL, LONG_AGO)
        other = await code.commit(await code.tree_of(theirs), start, "theirs", NAME, EMAIL, LONG_AGO)
        return await code.merge(ours, other)
