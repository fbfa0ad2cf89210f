"""Know everyone who asked something of a task: whose role must hold, and what carries our reaction."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from bot.github.reactions import Subject
from bot.task.work import Work
from storage.words import TaskKind

# Whose role is looked at, and which least role; CI and the API's token stand for themselves.
NEEDS = {
    "label": "run",
    "command": "run",
    "retry": "run",
    "review": "steer",
    "guidance": "steer",
    "test": "steer",
}


class Voice(NamedTuple):
    """One person who asked, and the key below `allow` that they need."""

    login: str
    id: int | None
    key: str


def people(work: Work) -> list[Voice]:
    """Return whose roles the task rests on: who began it, and whoever's words it took in since."""
    trigger, task = work.task.trigger, work.task
    found: dict[tuple[int | None, str], Voice] = {}
    key = NEEDS.get(str(trigger.get("origin") or "label"))
    if key is not None:
        if key == "steer" and task.kind is TaskKind.IMPLEMENT:
            key = "run"  # to begin all over again is to start work
        found[task.requester_id, key] = Voice(task.requester or "", task.requester_id, key)
    for said in (*_said(trigger), *(work.facts.get("heard") or ())):
        voice = Voice(str(said.get("author") or ""), said.get("author_id"), "steer")
        if said.get("author") and (voice.id, "run") not in found:
            found.setdefault((voice.id, "steer"), voice)
    return list(found.values())


def requesters(work: Work) -> list[str]:
    """Return who asked for the task, each once: who began it, and whose review or comment joined it."""
    began = {"author": work.task.requester, "author_id": work.task.requester_id}
    found: dict[Any, str] = {}
    for said in (began, *_said(work.task.trigger)):
        if login := str(said["author"] or ""):
            found.setdefault(said.get("author_id") or login, login)
    return list(found.values())


def subjects(work: Work, *, heirless: bool) -> list[Subject]:
    """Return what carries the task's last reaction; words that the next task takes over wait for its end."""
    trigger = work.task.trigger
    told = [trigger.get("subject") or {"kind": "issue", "id": work.session.issue_number}]
    told += trigger.get("subjects") or []
    words = [*(trigger.get("guidance") or ()), *(work.facts.get("heard") or ())]
    words += (work.facts.get("words") or ()) if heirless else ()
    told += [{"kind": "comment", "id": word["comment_id"]} for word in words if word.get("comment_id")]
    found = {(str(one["kind"]), int(one["id"])) for one in told if one.get("id")}
    return [Subject(kind, number) for kind, number in sorted(found)]


def _said(trigger: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from trigger.get("reviews") or ()
    yield from trigger.get("guidance") or ()
