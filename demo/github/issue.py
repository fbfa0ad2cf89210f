"""An issue decides what a thread is: its text, labels, comments and reactions; a pull request is one too."""

from dataclasses import dataclass, field

from demo.github import app, repository, user
from demo.github.app import App
from demo.github.happening import Happening
from demo.github.repository import Label, Repository
from demo.github.user import Json, User

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "eyes", "rocket")


@dataclass(eq=False)
class Reaction:
    """One user's reaction to an issue or a comment."""

    id: int
    user: User
    content: str
    created_at: str


@dataclass(eq=False)
class Issue:
    """One thread with a number; `is_pull` says that a pull request shares it."""

    id: int
    number: int
    repository: Repository
    user: User
    title: str
    body: str | None
    created_at: str
    updated_at: str
    is_pull: bool = False
    draft: bool = False
    merged_at: str | None = None
    via: App | None = None
    state: str = "open"
    state_reason: str | None = None
    closed_at: str | None = None
    closed_by: User | None = None
    locked: bool = False
    lock_reason: str | None = None
    deleted: bool = False
    labels: list[Label] = field(default_factory=list)
    assignees: list[User] = field(default_factory=list)
    comments: list["Comment"] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    history: list[Happening] = field(default_factory=list)

    def label(self, name: str) -> Label | None:
        """Return the label of this name that the issue has, None when it hasn't."""
        return next((each for each in self.labels if each.name.lower() == name.lower()), None)


@dataclass(eq=False)
class Comment:
    """One comment in a thread."""

    id: int
    issue: Issue
    user: User
    body: str
    created_at: str
    updated_at: str
    via: App | None = None
    reactions: list[Reaction] = field(default_factory=list)


def reaction_shape(base: str, reaction: Reaction) -> Json:
    """Return GitHub's `reaction`."""
    return {
        "id": reaction.id,
        "node_id": f"REA_{reaction.id}",
        "user": user.shape(base, reaction.user),
        "content": reaction.content,
        "created_at": reaction.created_at,
    }


def rollup(url: str, reactions: list[Reaction]) -> Json:
    """Return GitHub's `reaction-rollup`: how often each reaction was given."""
    counts = dict.fromkeys(REACTIONS, 0)
    for each in reactions:
        counts[each.content] += 1
    return {"url": f"{url}/reactions", "total_count": len(reactions), **counts}


def _state(base: str, issue: Issue) -> Json:
    assignees = [user.shape(base, each) for each in issue.assignees]
    return {
        "state": issue.state,
        "state_reason": issue.state_reason,
        "locked": issue.locked,
        "active_lock_reason": issue.lock_reason,
        "labels": [repository.label_shape(base, issue.repository, each) for each in issue.labels],
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": None,
        "comments": len(issue.comments),
        "created_at": issue.created_at,
        "updated_at": issue.updated_at,
        "closed_at": issue.closed_at,
        "performed_via_github_app": app.shape(base, issue.via) if issue.via else None,
    }


def shape(base: str, issue: Issue) -> Json:
    """Return GitHub's `issue`, for the REST API and for webhooks."""
    repo = f"{base}/repos/{issue.repository.full_name}"
    api = f"{repo}/issues/{issue.number}"
    kind = "pull" if issue.is_pull else "issues"
    page = f"{base}/{issue.repository.full_name}/{kind}/{issue.number}"
    facts = {
        "url": api,
        "repository_url": repo,
        "labels_url": f"{api}/labels{{/name}}",
        "comments_url": f"{api}/comments",
        "events_url": f"{api}/events",
        "timeline_url": f"{api}/timeline",
        "html_url": page,
        "id": issue.id,
        "node_id": f"I_{issue.id}",
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "user": user.shape(base, issue.user),
        "author_association": issue.repository.association(issue.user),
        "reactions": rollup(api, issue.reactions),
        **_state(base, issue),
    }
    if issue.closed_by:
        facts["closed_by"] = user.shape(base, issue.closed_by)
    if issue.is_pull:
        facts["draft"] = issue.draft
        facts["pull_request"] = {
            "url": f"{repo}/pulls/{issue.number}",
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "merged_at": issue.merged_at,
        }
    return facts


def comment_shape(base: str, comment: Comment) -> Json:
    """Return GitHub's `issue-comment`."""
    issue = comment.issue
    api = f"{base}/repos/{issue.repository.full_name}/issues"
    kind = "pull" if issue.is_pull else "issues"
    url = f"{api}/comments/{comment.id}"
    return {
        "url": url,
        "html_url": f"{base}/{issue.repository.full_name}/{kind}/{issue.number}#issuecomment-{comment.id}",
        "issue_url": f"{api}/{issue.number}",
        "id": comment.id,
        "node_id": f"IC_{comment.id}",
        "user": user.shape(base, comment.user),
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "body": comment.body,
        "author_association": issue.repository.association(comment.user),
        "reactions": rollup(url, comment.reactions),
        "performed_via_github_app": app.shape(base, comment.via) if comment.via else None,
    }
