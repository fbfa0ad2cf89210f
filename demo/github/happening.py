"""A happening decides what a thread's history tells: who labelled, closed or locked it, and when."""

from dataclasses import dataclass

from demo.github import user
from demo.github.user import Json, User

TOLD = ("labeled", "unlabeled", "closed", "reopened", "locked", "unlocked")


@dataclass(frozen=True)
class Happening:
    """One entry of a thread's history; `label` holds name and colour of the label that it is about."""

    id: int
    event: str
    actor: User
    created_at: str
    label: tuple[str, str] | None = None
    reason: str | None = None


def shape(base: str, repository: str, happening: Happening) -> Json:
    """Return GitHub's `issue-event-for-issue`."""
    facts: Json = {
        "id": happening.id,
        "node_id": f"EV_{happening.id}",
        "url": f"{base}/repos/{repository}/issues/events/{happening.id}",
        "actor": user.shape(base, happening.actor),
        "event": happening.event,
        "commit_id": None,
        "commit_url": None,
        "created_at": happening.created_at,
        "performed_via_github_app": None,
    }
    if happening.label:
        name, color = happening.label
        facts["label"] = {"name": name, "color": color}
    if happening.event in ("closed", "reopened"):
        facts["state_reason"] = happening.reason
    if happening.event in ("locked", "unlocked"):
        facts["lock_reason"] = happening.reason
    return facts
