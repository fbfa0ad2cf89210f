"""Take the few typed facts that we use from a payload that anyone may have shaped."""

from dataclasses import dataclass
from typing import Any

# A signed payload can hold any number; a column of ours, or one of theirs, ends at this one.
LARGEST = 2**63 - 1


class MalformedPayload(Exception):
    """A signed payload lacks a fact that its event always has; the delivery is parked, not lost."""


@dataclass(frozen=True)
class IssueEvent:
    """An event on an issue: where, who, and the issue's text as it was at that moment."""

    installation_id: int | None
    repository_id: int
    repository: str
    issue_number: int
    actor_id: int
    actor: str
    actor_is_bot: bool
    is_pull_request: bool
    text: dict[str, Any]


def issue_event(data: Any) -> IssueEvent:
    """Read an `issues` payload; raises MalformedPayload naming the fact that is missing or mistyped."""
    issue = _get(data, "issue", dict)
    return IssueEvent(
        # Absent when a repository's own webhook points at us, which gives no right to act there.
        installation_id=_get(data, "installation.id", int) if data.get("installation") else None,
        repository_id=_get(data, "repository.id", int),
        repository=_get(data, "repository.full_name", str),
        issue_number=_get(issue, "number", int, 2**31 - 1),
        actor_id=_get(data, "sender.id", int),
        actor=_get(data, "sender.login", str),
        # https://docs.github.com/en/rest/users: `type` is User, Organization or Bot
        actor_is_bot=data["sender"].get("type") == "Bot",
        is_pull_request="pull_request" in issue,
        text={
            "title": _get(issue, "title", str),
            "body": issue.get("body") if isinstance(issue.get("body"), str) else "",
            "author": _author(issue),
            "updated_at": issue.get("updated_at") if isinstance(issue.get("updated_at"), str) else None,
        },
    )


def repository_id(data: Any) -> int:
    """Return the id of the event's repository, 0 when the payload names none."""
    repository = data.get("repository") if isinstance(data, dict) else None
    found = repository.get("id") if isinstance(repository, dict) else None
    return found if isinstance(found, int) and 0 <= found <= LARGEST else 0


def label_name(data: Any) -> str:
    """Return the label that this very event is about (not those that the issue has)."""
    name: str = _get(data, "label.name", str)
    return name


def _author(issue: dict[str, Any]) -> str | None:
    user = issue.get("user")  # null when the account was deleted
    return user.get("login") if isinstance(user, dict) else None


def _get(data: Any, path: str, kind: type, largest: int = LARGEST) -> Any:
    value = data
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    is_storable = not isinstance(value, int) or 0 <= value <= largest
    if not isinstance(value, kind) or isinstance(value, bool) or not is_storable:
        raise MalformedPayload(f"the payload's {path} is not {kind.__name__}: {str(value)[:80]!r}")
    return value
