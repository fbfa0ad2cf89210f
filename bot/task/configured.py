"""Know the configuration in force in a repository: what its default branch says, else the last good one."""

import asyncio

from bot.github import faults, reads
from bot.github.client import Installation
from bot.task import configuration as configurations
from bot.task.configuration import Configuration
from storage import repositories
from storage.database import Database


class Configured:
    """The configurations of all repositories, as read from GitHub and as kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, installation: Installation, repository: reads.Repository
    ) -> tuple[Configuration, str]:
        """Return the configuration in force, and what is wrong with the file when it is not that.

        A good one is kept. Raises WorldFault or Blocked when GitHub could not be asked.
        """
        try:
            text = await reads.configuration(installation, repository.full_name, repository.default_branch)
            # A hostile file takes the parser a second, which the loop does not have.
            found = Configuration() if text is None else await asyncio.to_thread(configurations.parse, text)
        except (configurations.Misconfigured, faults.Invalid) as problem:
            return await self.kept(repository.id) or Configuration(), str(problem)
        async with self._database.transaction() as writing:
            await repositories.save(
                writing, repository.id, repository.full_name, found.label, found.model_dump(),
                repository.pushed_at,
            )  # fmt: skip
        return found, ""

    async def shown(self, installation: Installation, name: str) -> tuple[Configuration, str, str | None]:
        """Return the configuration in force, what is wrong with the file, and the file's own text."""
        repository = await reads.repository(installation, name)
        found, complaint = await self.read(installation, repository)
        try:
            text = await reads.configuration(installation, repository.full_name, repository.default_branch)
        except faults.Invalid:
            text = None
        return found, complaint, text

    async def kept(self, repository_id: int) -> Configuration | None:
        """Return what was last known good, None for a repository that was never looked at."""
        async with self._database.reading() as reading:
            known = await repositories.find(reading, repository_id)
        return Configuration.model_validate(known.configuration) if known is not None else None

    async def for_speaking(self, installation: Installation, repository_id: int, name: str) -> Configuration:
        """Return the configuration by which a person's word is judged.

        What is kept will do, since every push to it is heard of; it is read when there is nothing kept.
        """
        kept = await self.kept(repository_id)
        if kept is not None:
            return kept
        return (await self.read(installation, await reads.repository(installation, name)))[0]
