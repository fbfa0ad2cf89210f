"""Take the few typed facts that we use from a payload that anyone may have shaped."""

import re
from dataclasses import dataclass
from typing import Any

# A signed payload can hold any number; a column of ours, or one of theirs, ends at this one.
LARGEST = 2**63 - 1
LARGEST_THREAD = 2**31 - 1
# What GitHub says a comment's text may have at most; what is longer was shaped by someone else.
MOST_TEXT = 65_536
# No login, repository or label of GitHub's comes near; names are keys, and are never cut.
MOST_NAME = 300

_MOMENT = re.compile(r"[0-9T:.Z+-]{10,40}", re.ASCII)
_SURROGATES = re.compile("[\ud800-\udfff]")


class MalformedPayload(Exception):
    """A signed payload lacks a fact that its event always has; the delivery is parked, not lost."""


@dataclass(frozen=True)
class Person:
    """An account as a payload names it; `is_human` is False for bots, organizations and mannequins."""

    id: int
    login: str
    is_human: bool


@dataclass(frozen=True)
class Place:
    """Where an event happened; without an installation we have no right to act there.

    An event about an installation as a whole is about no repository.
    """

    installation_id: int | None
    repository_id: int | None
    repository: str


@dataclass(frozen=True)
class Issue:
    """The thread of an event, an issue or a pull request, with its text as it was at that moment."""

    number: int
    is_pull: bool
    title: str
    body: str
    author: str | None
    state: str
    updated_at: str | None


def storable(value: str) -> str:
    """Return the text with U+FFFD for what no database or encoder of ours takes: NUL and lone surrogates.

    CommonMark (section 2.3) puts the same sign for a NUL, so that what we read is what people see.
    """
    value = value.replace("\x00", "\ufffd")
    try:
        value.encode()  # several times as fast as a search for what almost no text has
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", value)
    return value


def number(data: Any, path: str, largest: int = LARGEST) -> int:
    """Return a whole number from 0 to `largest`; raises MalformedPayload for anything else."""
    value = _at(data, path)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise _wrong(path, "int", value)
    return value


def number_or_none(data: Any, path: str, largest: int = LARGEST) -> int | None:
    """Return the number, None where it is absent or null; raises MalformedPayload for anything else."""
    return None if _at(data, path) is None else number(data, path, largest)


def name(data: Any, path: str) -> str:
    """Return a name, whole; raises MalformedPayload for none and for one longer than any of GitHub's."""
    value = _at(data, path)
    if not isinstance(value, str) or not 0 < len(value) <= MOST_NAME:
        raise _wrong(path, "str", value)
    return storable(value)


def text(data: Any, path: str, most: int = MOST_TEXT) -> str:
    """Return what someone wrote, cut at `most` characters; empty where it is null, absent or no text."""
    value = _at(data, path)
    return storable(value[:most]) if isinstance(value, str) else ""


def text_or_none(data: Any, path: str, most: int = MOST_TEXT) -> str | None:
    """Return what someone wrote, cut at `most` characters; None where it is null, absent or no text."""
    return text(data, path, most) if isinstance(_at(data, path), str) else None


def moment(data: Any, path: str) -> str | None:
    """Return a time as GitHub words it (RFC 3339), None where nothing is that looks like one."""
    value = _at(data, path)
    return value if isinstance(value, str) and _MOMENT.fullmatch(value) else None


def part(data: Any, path: str) -> dict[str, Any]:
    """Return an object within the payload; raises MalformedPayload where there is none."""
    value = _at(data, path)
    if not isinstance(value, dict):
        raise _wrong(path, "dict", value)
    return value


def parts(data: Any, path: str) -> list[dict[str, Any]]:
    """Return the objects of a list, none where it is null or absent; raises MalformedPayload otherwise."""
    value = _at(data, path)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _wrong(path, "list of dict", value)
    return value


def person(data: Any, path: str) -> Person | None:
    """Return an account, None where GitHub names nobody (a deleted one); raises MalformedPayload.

    https://docs.github.com/en/rest/users: `type` is User, Organization, Bot or Mannequin. The login tells
    nothing: anyone may choose one that ends like a bot's.
    """
    account = _at(data, path)
    if account is None:
        return None
    kind = _at(account, "type")
    return Person(number(data, f"{path}.id"), name(data, f"{path}.login"), kind is None or kind == "User")


def is_human(data: Any) -> bool:
    """Whether a person caused this event."""
    sender = person(data, "sender")
    return sender is not None and sender.is_human


def is_authors_own(data: Any, path: str) -> bool:
    """Whether a person caused this event who is also the author named at `path`."""
    sender, author = person(data, "sender"), person(data, path)
    return (
        sender is not None
        and author is not None
        and sender.is_human
        and author.is_human
        and sender.id == author.id
    )


def installation_id(data: Any) -> int | None:
    """Return the App's installation, None when a repository's own webhook points at us."""
    return number(data, "installation.id") if _at(data, "installation") else None


def place(data: Any, path: str = "repository") -> Place:
    """Return where it happened; raises MalformedPayload when it names no repository."""
    return Place(installation_id(data), number(data, f"{path}.id"), name(data, f"{path}.full_name"))


def issue(data: Any) -> Issue:
    """Return the thread of an `issues` or `issue_comment` payload; raises MalformedPayload."""
    if not isinstance(_at(data, "issue.title"), str):
        raise _wrong("issue.title", "str", _at(data, "issue.title"))
    return Issue(
        number=number(data, "issue.number", LARGEST_THREAD),
        is_pull="pull_request" in part(data, "issue"),
        title=text(data, "issue.title"),
        body=text(data, "issue.body"),
        author=text_or_none(data, "issue.user.login", MOST_NAME),  # the user is null when deleted
        state=text(data, "issue.state", MOST_NAME),
        updated_at=moment(data, "issue.updated_at"),
    )


def repository_id(data: Any) -> int:
    """Return the id of the event's repository, 0 when the payload names none."""
    found = _at(data, "repository.id")
    return found if isinstance(found, int) and 0 <= found <= LARGEST else 0


def _at(data: Any, path: str) -> Any:
    value = data
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _wrong(path: str, kind: str, value: Any) -> MalformedPayload:
    # A list or an object may be huge or deep, and is not worth writing out.
    shown = type(value).__name__ if isinstance(value, list | dict) else repr(str(value)[:80])
    return MalformedPayload(f"the payload's {path} is not {kind}: {shown}")
