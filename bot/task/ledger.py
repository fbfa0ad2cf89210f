"""Write outside actions down in our own tables, each call committed when it returns."""

from typing import Any

from storage import effects
from storage.database import Database
from storage.models import Effect


class TableLedger:
    """The ledger that publishing asks (`bot.github.publish.Ledger`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, key: str, kind: str, task_id: str | None) -> Effect:
        """Write down that the action is about to happen, and return what is known."""
        async with self._database.transaction() as writing:
            return await effects.begin(writing, key, kind, task_id)

    async def done(self, key: str, external_id: str, detail: dict[str, Any] | None = None) -> None:
        """Write down that the action happened and what it made."""
        async with self._database.transaction() as writing:
            await effects.done(writing, key, external_id, detail)

    async def find(self, key: str) -> Effect | None:
        """Return what is known of the action, None when it was never begun."""
        async with self._database.reading() as reading:
            return await effects.find(reading, key)
