"""A check run decides what an App says of one commit: a status, a conclusion and a report."""

from dataclasses import dataclass, field

from demo.github import app
from demo.github.app import App
from demo.github.repository import Repository
from demo.github.user import Json

CONCLUSIONS = ("success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required")


@dataclass(eq=False)
class Check:
    """One check run; `suite` is shared by the runs of one App on one commit."""

    id: int
    suite: int
    app: App
    repository: Repository
    name: str
    head_sha: str
    started_at: str
    status: str = "queued"
    conclusion: str | None = None
    completed_at: str | None = None
    external_id: str = ""
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[Json] = field(default_factory=list)
    actions: list[Json] = field(default_factory=list)


def shape(base: str, check: Check, pulls: list[Json]) -> Json:
    """Return GitHub's `check-run`; `pulls` are the open pull requests at this commit."""
    name = check.repository.full_name
    url = f"{base}/repos/{name}/check-runs/{check.id}"
    page = f"{base}/{name}/runs/{check.id}"
    return {
        "id": check.id,
        "node_id": f"CR_{check.id}",
        "name": check.name,
        "head_sha": check.head_sha,
        "external_id": check.external_id,
        "url": url,
        "html_url": page,
        "details_url": check.details_url or page,
        "status": check.status,
        "conclusion": check.conclusion,
        "started_at": check.started_at,
        "completed_at": check.completed_at,
        "output": {
            "title": check.title,
            "summary": check.summary,
            "text": check.text,
            "annotations_count": len(check.annotations),
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": check.suite},
        "app": app.shape(base, check.app),
        "pull_requests": pulls,
    }
