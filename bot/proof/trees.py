"""Run suites and chosen files on fresh trees of one kind, so that no run can leave something for the next."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from bot.proof import run
from bot.proof.bench import Bench, Ground, Overlay
from bot.proof.junit import SuiteResult
from bot.proof.runner import Runner


@dataclass(frozen=True)
class Tree:
    """One side of a comparison: a commit or a result, with what is laid over it."""

    bench: Bench
    runner: Runner
    commit: str
    tree: str | None
    overlay: tuple[Overlay, ...]
    label: str
    paths: frozenset[str]  # every file of the tree, overlay included

    async def suite(self, seconds: float) -> SuiteResult:
        """Run the whole suite once on a fresh tree."""
        async with self._ground() as ground:
            return await run.suite(ground, self.runner, seconds=seconds, paths=self.paths)

    async def files(self, chosen: Sequence[str], seconds: float, times: int = 1) -> list[SuiteResult]:
        """Run the chosen files *times* over on one fresh tree, each file within *seconds*."""
        chosen = sorted(path for path in set(chosen) if path in self.paths)
        if not chosen or not times:
            return []
        async with self._ground() as ground:
            return [
                await run.each(ground, self.runner, chosen, seconds=seconds, paths=self.paths)
                for _ in range(times)
            ]

    @contextlib.asynccontextmanager
    async def _ground(self) -> AsyncIterator[Ground]:
        ground = await self.bench.prepare(self.commit, self.tree, self.overlay, self.label)
        try:
            yield ground
        finally:
            await ground.close()


async def tree(
    bench: Bench, runner: Runner, commit: str, result: str | None, overlay: Sequence[Overlay], label: str
) -> Tree:
    """Describe a tree; nothing is prepared before it is run."""
    paths = set(await bench.files(result or commit))
    for file in overlay:
        if file.content is None:
            paths = {path for path in paths if path != file.path and not path.startswith(file.path + "/")}
        else:
            paths.add(file.path)
    return Tree(bench, runner, commit, result, tuple(overlay), label, frozenset(paths))
