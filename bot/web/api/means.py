"""Hold what every route of the API works with."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.settings import Settings
from bot.web.api.installed import Repositories
from bot.web.api.views import Views
from storage.database import Database


@dataclass(frozen=True)
class Means:
    """The database, the words, GitHub, and the bell that wakes the worker."""

    database: Database
    settings: Settings
    views: Views
    repositories: Repositories
    stored: Callable[[], None]
