"""Lay out the trees of one proof: the base, the result under the base's own tests, the result as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.proof import own_tests, trees, weakening
from bot.proof.bench import Bench, Overlay
from bot.proof.own_tests import Change, ChangedFile, Role, Roles
from bot.proof.runner import Runner
from bot.proof.trees import Tree


@dataclass(frozen=True)
class Sides:
    """Both sides of one change, and what each would look like with the other's tests."""

    bench: Bench
    runner: Runner
    base: str
    result: str
    change: Change
    roles: Roles

    async def before(self, extra: Sequence[Overlay] = ()) -> Tree:
        """Return the base commit, with *extra* files."""
        return await trees.tree(self.bench, self.runner, self.base, None, extra, "base")

    async def guarded(self, extra: Sequence[Overlay] = ()) -> Tree:
        """Return the result with the base's own tests and test configuration, and none of the change's."""
        gone = [Overlay(file.path, None) for file in self.change.guarded if file.added]
        back = [
            Overlay(file.path, await self.bench.read(self.base, file.path))
            for file in self.change.guarded
            if not file.added
        ]
        return await trees.tree(
            self.bench, self.runner, self.base, self.result, [*gone, *back, *extra], "guarded result"
        )

    async def delivered(self) -> Tree:
        """Return the result as it is."""
        return await trees.tree(self.bench, self.runner, self.base, self.result, (), "result")

    async def before_with_its_tests(self) -> Tree:
        """Return the base commit under the tests and test configuration of the change."""
        gone = [Overlay(file.path, None) for file in self.change.guarded if file.deleted]
        laid = [
            Overlay(file.path, await self.bench.read(self.result, file.path))
            for file in self.change.guarded
            if not file.deleted
        ]
        return await trees.tree(
            self.bench, self.runner, self.base, None, [*gone, *laid], "base with the change's tests"
        )

    async def bent(self) -> list[str]:
        """Return, as sentences, what the change's sources do to the tests that no run can show."""
        found = []
        for file in self.change.tests:
            base = None if file.added else await self.bench.read(self.base, file.path)
            result = None if file.deleted else await self.bench.read(self.result, file.path)
            if base is not None and result is not None:
                found += [
                    f"{'::'.join(part for part in (file.path, name) if part)}: {how}"
                    for name, how in weakening.weakened(base, result)
                ]
        for file in self.change.product:
            if not file.deleted and file.path.endswith(".py"):
                base = None if file.added else await self.bench.read(self.base, file.path)
                if weakening.asks_if_tested(base, await self.bench.read(self.result, file.path)):
                    found.append(f"{file.path}: the change makes it ask whether it runs under a test")
        return found


async def lay_out(
    bench: Bench, runner: Runner, base: str, result: str, changed: Sequence[ChangedFile]
) -> Sides:
    """Sort a change by what its files are to the tests."""
    base_files = await bench.files(base)
    roles = Roles(runner, {*base_files, *await bench.files(result)})
    bent = []
    for file in changed:
        if roles.of(file.path, added=file.added) is Role.SHARED:
            base_content = None if file.added else await bench.read(base, file.path)
            content = None if file.deleted else await bench.read(result, file.path)
            if own_tests.tables(file.path, base_content, runner) != own_tests.tables(
                file.path, content, runner
            ):
                bent.append(file.path)
    change = own_tests.sort(changed, roles, bent, base_files)
    return Sides(bench, runner, base, result, change, roles)
