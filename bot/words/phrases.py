"""Decide how numbers, times and links are written, the same in every template."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

from bot.words import outgoing
from bot.words.facts import CaseFacts, SessionFacts, TaskFacts, TestFacts
from storage.words import TestState

MOST_MENTIONED = 5


def usd(amount: Decimal) -> str:
    """Return dollars with two decimals, never rounded down to nothing."""
    return "less than $0.01" if Decimal(0) < amount < Decimal("0.01") else f"${amount:.2f}"


def duration(span: timedelta | float) -> str:
    """Return a span of time as people say it: 41 s, 4 min 12 s, 2 h 5 min."""
    seconds = int(span.total_seconds() if isinstance(span, timedelta) else span)
    if seconds < 1:
        return "less than 1 s"
    minutes, rest = divmod(seconds, 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min" if left else f"{hours} h"
    return f"{minutes} min {rest} s" if minutes and rest else f"{minutes} min" if minutes else f"{rest} s"


def elapsed(task: TaskFacts) -> str:
    """Return how long the task has been at work, up to its end or to the moment at which this is said."""
    until = task.finished_at or task.shown_at or task.updated_at
    return duration(max(timedelta(), until - (task.started_at or task.created_at)))


def clock(at: datetime, form: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    """Return *at* in UTC."""
    return at.astimezone(UTC).strftime(form)


def count(number: int, one: str, many: str = "") -> str:
    """Return "1 test", "2 tests"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def sign(emoji: str) -> str:
    """Return an emoji that a screen reader passes over; a word always follows it."""
    return f'<span aria-hidden="true">{emoji}</span>'


def short(sha: str) -> str:
    """Return the first seven digits of a commit or tree."""
    return sha[:7]


def person(login: str) -> str:
    """Return a login that does not notify its owner."""
    return f"@&#8203;{_login(login)}" if _login(login) else "someone"


def mentions(task: TaskFacts, besides: str = "") -> str:
    """Return who asked for the task, with a space behind each: all are notified, so only once, at its end.

    Empty where nobody is known, or nobody *besides* that login.
    """
    asked = [_login(login) for login in (task.requester, *task.joined) if login != besides]
    named = [f"@{login} " for login in asked if login]
    more = f"(and {len(named) - MOST_MENTIONED} more) " if len(named) > MOST_MENTIONED else ""
    return "".join(named[:MOST_MENTIONED]) + more


def branch_link(session: SessionFacts, task: TaskFacts) -> str:
    """Return the branch's name, linked when it exists on GitHub."""
    name = outgoing.code(task.branch, session.secrets)
    if not task.pushed or not session.repository:
        return name
    return f"[{name}]({session.server_url}/{quote(session.repository)}/tree/{quote(task.branch)})"


def session_link(session: SessionFacts) -> str:
    """Return the session's id, linked when people can reach this server."""
    name = outgoing.code(session.id, session.secrets)
    return f"[{name}]({session.public_url.rstrip('/')}/s/{quote(session.id)})" if session.public_url else name


def tally(cases: Sequence[CaseFacts], *, base: bool = False) -> str:
    """Return "3 passed, 2 failed, 1 skipped, 1 missing, 1 flaky", naming only what there is."""
    states = [case.base if base else case.now for case in cases if not case.flaky]
    words = [
        (states.count(TestState.PASSED), "passed"),
        (states.count(TestState.FAILED), "failed"),
        (states.count(TestState.SKIPPED), "skipped"),
        (states.count(TestState.PENDING), "not run"),
        (0 if base else states.count(None), "missing"),
        (sum(case.flaky for case in cases), "flaky"),
    ]
    return ", ".join(f"{number:,} {word}" for number, word in words if number) or "none"


def failing_of(tests: TestFacts | None) -> str:
    """Return "2 of 33 tests failing", or nothing when all is well or unknown."""
    if tests is None or not tests.failing:
        return ""
    return f"{len(tests.failing):,} of {count(len(tests.cases), 'test')} failing"


def _login(login: str) -> str:
    return re.sub(r"[^A-Za-z0-9_\[\]-]", "", login)
