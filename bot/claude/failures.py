"""Decide what a failed model call means: wait and retry, stop as blocked, compact, or our own mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import anthropic

from bot.claude.usage import Usage
from bot.errors import Blocked, JourneymanError, WorldFault

LONGEST_WAIT = 3600.0  # seconds; a longer retry-after is a limit to report, not to sleep through
SPEND_CODES = frozenset(
    {
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "organization_on_hold",
    }
)
_BILLING = re.compile(r"credit balance|usage limits?\b.*regain|spend(ing)? limit|billing", re.IGNORECASE)
_TOO_LONG = re.compile(r"prompt is too long|exceed.{0,30}context|too many total text bytes", re.IGNORECASE)
_OTHER_CONVERSATION = re.compile(r"invalid `?signature`?|bound to a different conversation", re.IGNORECASE)


class Unavailable(WorldFault):
    """The API can't be reached or fails on its side; try again after `retry_after` seconds or a backoff."""


class Overloaded(Unavailable):
    """The API is overloaded (529) or limits our rate (429)."""


class Interrupted(Unavailable):
    """The answer broke off; `usage` is what it cost as far as known, and counts as spent."""

    def __init__(self, message: str, usage: Usage) -> None:
        """Take the sentence and the tokens that the broken answer used."""
        super().__init__(message)
        self.usage = usage


class Credentials(Blocked):
    """The key is missing, wrong or not allowed to do this."""


class Billing(Blocked):
    """The account has no credit left or has reached a spend limit."""


class UnknownModel(Blocked):
    """The API doesn't know the model."""


class PromptTooLong(JourneymanError):
    """The prompt doesn't fit the model's context or the request's size limit; compact and ask again."""


class Rejected(JourneymanError):
    """The API finds our request wrong; asking again would change nothing."""


class HistoryChanged(Rejected):
    """A thinking block no longer fits the messages before it: history was not append-only."""


class CompactionRejected(Rejected):
    """The API refuses to compact this conversation; the old history stays good."""


# What a status means when nothing more exact is known (Anthropic: errors).
BY_STATUS: Mapping[int, type[JourneymanError]] = {
    401: Credentials,
    402: Billing,
    403: Credentials,
    404: UnknownModel,
    408: Unavailable,
    409: Unavailable,
    413: PromptTooLong,
    429: Overloaded,
    529: Overloaded,
}
# The same for an error that arrives inside a stream, where the status is 200.
BY_TYPE: Mapping[str, type[JourneymanError]] = {
    "authentication_error": Credentials,
    "permission_error": Credentials,
    "billing_error": Billing,
    "not_found_error": UnknownModel,
    "request_too_large": PromptTooLong,
    "rate_limit_error": Overloaded,
    "overloaded_error": Overloaded,
    "timeout_error": Unavailable,
    "api_error": Unavailable,
    "invalid_request_error": Rejected,
}


def of_status(error: anthropic.APIStatusError) -> JourneymanError:
    """Return our failure for an error answer; its sentence carries the API's words and the request id."""
    words = error.api_message or _first_line(str(error))
    place = f" ({error.request_id})" if error.request_id else ""
    headers = error.response.headers
    kind = _kind(error, words, headers.get("x-should-retry"))
    sentence = f"{_opening(kind, error)}: {words}{place}"
    if issubclass(kind, WorldFault):
        return kind(sentence, retry_after(headers))
    return kind(sentence)


def _kind(error: anthropic.APIStatusError, words: str, should_retry: str | None) -> type[JourneymanError]:
    status, code = error.status_code, error.error_code or ""
    if code in SPEND_CODES or (status == 429 and should_retry == "false"):
        return Billing
    if status >= 500:
        return BY_STATUS.get(status, Unavailable)
    by_type = BY_TYPE.get(str(error.type)) if status in (200, 400) else None
    known = BY_STATUS.get(status) or by_type or Rejected
    return _by_words(code, words) if known is Rejected else known


def _by_words(code: str, words: str) -> type[JourneymanError]:
    """Return what a 400 means; for these the API has no code, only its sentence."""
    if code.startswith("compaction_"):
        return CompactionRejected
    if _TOO_LONG.search(words):
        return PromptTooLong
    if _OTHER_CONVERSATION.search(words):
        return HistoryChanged
    return Billing if _BILLING.search(words) else Rejected


def _opening(kind: type[JourneymanError], error: anthropic.APIStatusError) -> str:
    if kind is Credentials:
        return f"The Claude API refused ANTHROPIC_API_KEY (HTTP {error.status_code}); check key and rights"
    if kind is Billing:
        return "The Claude API account has no credit left or has reached its spend limit"
    if kind is UnknownModel:
        return (
            "The Claude API doesn't know this model or address; check JOURNEYMAN_MODEL and ANTHROPIC_BASE_URL"
        )
    if kind is PromptTooLong:
        return "The conversation is too long for the model"
    if issubclass(kind, WorldFault):
        return f"The Claude API is not available ({_label(error)})"
    return f"The Claude API refused our request ({_label(error)})"


def _label(error: anthropic.APIStatusError) -> str:
    return f"HTTP {error.status_code}" if error.status_code >= 400 else str(error.type or "error event")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks us to wait, at most an hour, or None."""
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return min(exact / 1000, LONGEST_WAIT)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is None and text:
        seconds = _until(text)
    return None if seconds is None else min(max(0.0, seconds), LONGEST_WAIT)


def backoff(attempt: int, retry_after: float | None = None, jitter: float = 0.5) -> float:
    """Return the seconds to wait before try number `attempt` + 1 (the first failure is attempt 0).

    Doubles from 1 s to at most 60 s, spread by `jitter` (0 to 1, drawn by the caller so that a durable
    replay draws the same) over its upper half; never shorter than `retry_after`.
    """
    ceiling = min(60.0, 2.0 ** min(attempt, 6))
    own = ceiling * (0.5 + 0.5 * jitter)
    return own if retry_after is None else max(own, retry_after + jitter)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _until(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime.now(UTC)).total_seconds()


def _first_line(text: str) -> str:
    return (text.splitlines() or ["no details"])[0][:500]
