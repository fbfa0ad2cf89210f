"""Name what the GitHub side of every task shares."""

from dataclasses import dataclass

from bot.github.client import GitHub
from bot.github.permissions import Permissions
from bot.github.publish import Ledger
from bot.settings import Settings
from bot.task.configured import Configured
from bot.task.portrait import Portraitist
from bot.task.posting import Posting
from bot.words.redaction import Redactor
from storage.database import Database


@dataclass(frozen=True)
class GitHubMeans:
    """One set for a process."""

    github: GitHub
    permissions: Permissions
    ledger: Ledger
    database: Database
    settings: Settings
    portraits: Portraitist
    configured: Configured
    posting: Posting
    secrets: Redactor
