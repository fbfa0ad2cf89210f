"""Decide how one thing that was looked at is told: one line, with what to do about it."""

import re
from dataclasses import dataclass
from enum import StrEnum

LONGEST_LINE = 600


class Mark(StrEnum):
    """What a line begins with; only `wrong` makes the command fail."""

    OK = "ok"
    WRONG = "wrong"
    WARN = "warn"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, and what was found; the fix of what is wrong stands after a dash."""

    mark: Mark
    name: str
    text: str = ""

    def line(self) -> str:
        """Return it as one line of readable length."""
        told = f"{self.name}: {self.text}" if self.text else self.name
        return f"{self.mark:<6}{_flat(told)}"


def ok(name: str, text: str = "") -> Finding:
    """Return that it is as it should be."""
    return Finding(Mark.OK, name, text)


def wrong(name: str, reason: str, fix: str = "") -> Finding:
    """Return what is not as it should be, and what to do; without a fix the reason names it."""
    return Finding(Mark.WRONG, name, _joined(reason, fix))


def warn(name: str, reason: str, fix: str) -> Finding:
    """Return what works and should be better."""
    return Finding(Mark.WARN, name, _joined(reason, fix))


def skip(name: str, why: str) -> Finding:
    """Return that it could not be looked at, or need not."""
    return Finding(Mark.SKIP, name, why)


def _joined(reason: str, fix: str) -> str:
    return f"{reason.rstrip('. ')} — {fix}" if fix else reason


def _flat(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"
