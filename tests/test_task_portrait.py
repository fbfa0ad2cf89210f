"""What people are shown follows from the rows."""

from pathlib import Path
from typing import Any

import pytest

from bot.settings import Settings
from bot.task import portrait
from bot.task.portrait import Portraitist
from bot.task.work import Phase, Work
from bot.words import final, status
from bot.words.redaction import Redactor
from storage import clock
from storage.database import Database
from storage.words import InteractionType as T
from storage.words import PausedBy, Reason, TaskState, TestState, TestType
from tests import records
