"""A pull request decides what is offered for merging: two branches, where they stand, how they differ."""

from dataclasses import dataclass, field

from demo.github import issue as threads
from demo.github import repository, user
from demo.github.issue import Issue
from demo.github.review import Review, ReviewComment
from demo.github.user import Json, User

SHARED = ["number", "title", "body", "user", "author_association", "state", "locked", "active_lock_reason"]
SHARED += ["labels", "assignee", "assignees", "milestone", "created_at", "updated_at", "closed_at"]


@dataclass(frozen=True)
class Size:
    """What a pull request amounts to, and whether it would merge without conflicts."""

    commits: int
    added: int
    removed: int
    files: int
    mergeable: bool


@dataclass(eq=False)
class Pull:
    """One pull request; `head_sha` follows the branch while open, `base_sha` is the base at that time."""

    id: int
    issue: Issue
    head: str
    base: str
    head_sha: str
    base_sha: str
    size: Size
    merged_by: User | None = None
    merge_sha: str | None = None
    may_modify: bool = False
    reviews: list[Review] = field(default_factory=list)
    comments: list[ReviewComment] = field(default_factory=list)


def api_url(base: str, pull: Pull) -> str:
    """Return the REST address of a pull request."""
    return f"{base}/repos/{pull.issue.repository.full_name}/pulls/{pull.issue.number}"


def _links(base: str, pull: Pull) -> dict[str, str]:
    repo = f"{base}/repos/{pull.issue.repository.full_name}"
    api = api_url(base, pull)
    return {
        "self": api,
        "html": f"{base}/{pull.issue.repository.full_name}/pull/{pull.issue.number}",
        "issue": f"{repo}/issues/{pull.issue.number}",
        "comments": f"{repo}/issues/{pull.issue.number}/comments",
        "review_comments": f"{api}/comments",
        "review_comment": f"{repo}/pulls/comments{{/number}}",
        "commits": f"{api}/commits",
        "statuses": f"{repo}/statuses/{pull.head_sha}",
    }


def _side(base: str, pull: Pull, ref: str, sha: str) -> Json:
    repo = pull.issue.repository
    return {
        "label": f"{repo.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user.shape(base, repo.owner),
        "repo": repository.shape(base, repo),
    }


def simple_shape(base: str, pull: Pull) -> Json:
    """Return GitHub's `pull-request-simple`, the entry of a list."""
    links = _links(base, pull)
    thread = threads.shape(base, pull.issue)
    return {
        **{key: thread[key] for key in SHARED},
        "id": pull.id,
        "node_id": f"PR_{pull.id}",
        "url": links["self"],
        "html_url": links["html"],
        "diff_url": f"{links['html']}.diff",
        "patch_url": f"{links['html']}.patch",
        **{f"{key}_url": links[key] for key in ("issue", "commits", "comments", "statuses")},
        **{f"{key}_url": links[key] for key in ("review_comments", "review_comment")},
        "requested_reviewers": [],
        "requested_teams": [],
        "draft": pull.issue.draft,
        "merged_at": pull.issue.merged_at,
        "merge_commit_sha": pull.merge_sha,
        "head": _side(base, pull, pull.head, pull.head_sha),
        "base": _side(base, pull, pull.base, pull.base_sha),
        "_links": {key: {"href": href} for key, href in links.items()},
        "auto_merge": None,
    }


def shape(base: str, pull: Pull) -> Json:
    """Return GitHub's `pull-request`, for the REST API and for webhooks."""
    merged = pull.issue.merged_at is not None
    is_open = pull.issue.state == "open"
    return simple_shape(base, pull) | {
        "merged": merged,
        "merged_by": user.shape(base, pull.merged_by) if pull.merged_by else None,
        "mergeable": pull.size.mergeable if is_open else None,
        "rebaseable": pull.size.mergeable if is_open else None,
        "mergeable_state": ("clean" if pull.size.mergeable else "dirty") if is_open else "unknown",
        "comments": len(pull.issue.comments),
        "review_comments": len(pull.comments),
        "maintainer_can_modify": pull.may_modify,
        "commits": pull.size.commits,
        "additions": pull.size.added,
        "deletions": pull.size.removed,
        "changed_files": pull.size.files,
    }


def minimal_shape(base: str, pull: Pull) -> Json:
    """Return GitHub's `pull-request-minimal`, which check runs carry."""
    repo = pull.issue.repository
    where = {"id": repo.id, "url": f"{base}/repos/{repo.full_name}", "name": repo.name}
    return {
        "url": api_url(base, pull),
        "id": pull.id,
        "number": pull.issue.number,
        "head": {"ref": pull.head, "sha": pull.head_sha, "repo": where},
        "base": {"ref": pull.base, "sha": pull.base_sha, "repo": where},
    }
