"""Decide what one answer of GitHub's means: done, unusable, or a refusal with its fix."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from gidgethub import sansio

from bot.github import faults

_MOST_WORDS = 400  # characters of GitHub's own message that we repeat


@dataclass(frozen=True)
class Answer:
    """One answer as it came; `path` has no query, header names are read in lower case."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # the answer to a minting request holds a token

    def fields(self) -> dict[str, Any]:
        """Return an error body's JSON object, or nothing when it is something else."""
        try:
            data = json.loads(self.body)
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}

    @property
    def message(self) -> str:
        """Return GitHub's own sentence, cut to a readable length."""
        return str(self.fields().get("message") or "")[:_MOST_WORDS]

    @property
    def moment(self) -> float | None:
        """Return GitHub's clock at the time of the answer in seconds since 1970, if it told."""
        try:
            return parsedate_to_datetime(self.headers["date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return None


def decode(answer: Answer) -> tuple[Any, str | None]:
    """Return the JSON of a successful answer and the address of the next page.

    Raises Unavailable when a success carries something that is not JSON (a proxy's page, a cut body).
    """
    if answer.status == 204:
        return None, None
    headers = {name.lower(): value for name, value in answer.headers.items()}
    try:
        data, _, following = sansio.decipher_response(answer.status, headers, answer.body)
    except (ValueError, LookupError, TypeError, AttributeError) as fault:
        raise faults.Unavailable(f"GitHub's answer to {_what(answer)} is unreadable ({fault}).") from fault
    if isinstance(data, str):
        raise faults.Unavailable(f"GitHub's answer to {_what(answer)} is not JSON.")
    return data, following


def judge(answer: Answer) -> None:
    """Return for a success, raise Unavailable for 5xx and a Refused with its fix for the rest.

    Rate limits are not judged here: `limits` has looked at the answer before.
    """
    if answer.status < 300:
        return
    if answer.status >= 500:
        raise faults.Unavailable(f"GitHub answered {answer.status} to {_what(answer)}.")
    kind, advice = _refusal(answer)
    errors = _errors(answer.fields().get("errors"))
    detail = "; ".join(part for part in (answer.message, *errors) if part)
    said = f" ({answer.status}: {detail})" if detail else f" ({answer.status})"
    raise kind(
        f"GitHub refused {_what(answer)}{said}. {advice}".rstrip(),
        status=answer.status,
        message=answer.message,
        errors=errors,
    )


def _what(answer: Answer) -> str:
    return f"{answer.method} {answer.path}"


_BY_STATUS: dict[int, tuple[type[faults.Refused], str]] = {
    401: (faults.BadCredentials, "Check APP_ID and PRIVATE_KEY with `python -m bot check`."),
    404: (
        faults.NotFound,
        "It was deleted or renamed, or the App is not installed there or may not see it.",
    ),
    409: (faults.Conflict, ""),
    410: (faults.Gone, "It was deleted, or the feature is switched off in this repository."),
    451: (faults.Withheld, "GitHub withholds it for legal reasons."),
}

# GitHub's 403 sentences, by a part that has been stable for years; the first that fits decides.
_FORBIDDEN: tuple[tuple[str, type[faults.Refused], str], ...] = (
    ("suspended", faults.Suspended, "An owner can unsuspend the App under Settings → GitHub Apps."),
    ("archived", faults.Archived, "Unarchive the repository first."),
    ("locked", faults.Locked, "Unlock the conversation first."),
    ("issues are disabled", faults.Gone, "Switch issues on in the repository's settings."),
    ("issues has been disabled", faults.Gone, "Switch issues on in the repository's settings."),
)


def _refusal(answer: Answer) -> tuple[type[faults.Refused], str]:
    """Return the error type and the sentence that names the fix."""
    if answer.status == 403:
        words = answer.message.lower()
        if "not accessible by integration" in words:
            return faults.MissingPermission, _permission_advice(answer)
        for part, kind, advice in _FORBIDDEN:
            if part in words:
                return kind, advice
        return faults.Refused, "Check the App's permissions and the repository's rules."
    if 300 <= answer.status < 400:
        return faults.Moved, "The repository was renamed or transferred; use its present name."
    if answer.status == 422 or answer.status not in _BY_STATUS:
        return faults.Invalid, ""
    return _BY_STATUS[answer.status]


def _permission_advice(answer: Answer) -> str:
    """Name the missing permission as GitHub does in X-Accepted-GitHub-Permissions."""
    needed = answer.headers.get("x-accepted-github-permissions", "").replace("=", ": ").replace(";", " or")
    named = f"the permission {needed}" if needed else "a permission"
    return (
        f"The App needs {named}: grant it in the App's settings, then an owner must accept it for this "
        "installation."
    )


def _errors(raw: Any) -> tuple[str, ...]:
    """Return 422's `errors` as short sentences; GitHub sends objects, strings, or one string."""
    if isinstance(raw, str):
        return (raw[:_MOST_WORDS],)
    if not isinstance(raw, list):
        return ()
    return tuple(_error(entry)[:_MOST_WORDS] for entry in raw[:10])


def _error(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    parts = (str(entry[name]) for name in ("resource", "field", "code", "message") if entry.get(name))
    return " ".join(parts)
