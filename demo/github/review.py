"""A review decides what a reviewer said: a verdict with a text, and comments on lines of the difference."""

from dataclasses import dataclass, field

from demo.github import issue as threads
from demo.github import user
from demo.github.issue import Issue, Reaction
from demo.github.user import Json, User

VERDICTS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


@dataclass(eq=False)
class Review:
    """One review of the pull request that shares `issue`; `state` is one of `VERDICTS`."""

    id: int
    issue: Issue
    user: User
    state: str
    body: str
    commit: str
    submitted_at: str


@dataclass(eq=False)
class ReviewComment:
    """One comment on a line; `reply_to` is the comment that opened its thread."""

    id: int
    issue: Issue
    user: User
    body: str
    path: str
    line: int | None
    side: str
    commit: str
    hunk: str
    created_at: str
    updated_at: str
    review: int | None = None
    reply_to: int | None = None
    start_line: int | None = None
    file_level: bool = False
    reactions: list[Reaction] = field(default_factory=list)


def hunk_at(patch: str, line: int | None) -> str:
    """Return the part of a patch that ends at a line of its new side, as GitHub quotes it."""
    kept: list[str] = []
    number = 0
    for text in patch.splitlines():
        if text.startswith("@@ "):
            kept = []
            number = int(text.split("+", 1)[1].split(" ", 1)[0].split(",", 1)[0]) - 1
        elif not text.startswith("-"):
            number += 1
        kept.append(text)
        if line is not None and number >= line:
            break
    return "\n".join(kept)


def shape(base: str, review: Review) -> Json:
    """Return GitHub's `pull-request-review`."""
    name, number = review.issue.repository.full_name, review.issue.number
    page = f"{base}/{name}/pull/{number}#pullrequestreview-{review.id}"
    pull = f"{base}/repos/{name}/pulls/{number}"
    return {
        "id": review.id,
        "node_id": f"PRR_{review.id}",
        "user": user.shape(base, review.user),
        "body": review.body,
        "state": review.state,
        "html_url": page,
        "pull_request_url": pull,
        "author_association": review.issue.repository.association(review.user),
        "_links": {"html": {"href": page}, "pull_request": {"href": pull}},
        "submitted_at": review.submitted_at,
        "commit_id": review.commit,
    }


def event_shape(base: str, review: Review) -> Json:
    """Return a review as webhooks word it: the state in lower case, an absent text as null."""
    return shape(base, review) | {
        "state": review.state.lower(),
        "body": review.body or None,
        "updated_at": review.submitted_at,
    }


def comment_shape(base: str, comment: ReviewComment) -> Json:
    """Return GitHub's `pull-request-review-comment`."""
    name, number = comment.issue.repository.full_name, comment.issue.number
    page = f"{base}/{name}/pull/{number}#discussion_r{comment.id}"
    pull = f"{base}/repos/{name}/pulls/{number}"
    url = f"{base}/repos/{name}/pulls/comments/{comment.id}"
    position = 1 if comment.line is None else comment.line
    facts = {
        "url": url,
        "pull_request_review_id": comment.review,
        "id": comment.id,
        "node_id": f"PRRC_{comment.id}",
        "diff_hunk": comment.hunk,
        "path": comment.path,
        "position": position,
        "original_position": position,
        "commit_id": comment.commit,
        "original_commit_id": comment.commit,
        "user": user.shape(base, comment.user),
        "body": comment.body,
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "html_url": page,
        "pull_request_url": pull,
        "author_association": comment.issue.repository.association(comment.user),
        "_links": {"self": {"href": url}, "html": {"href": page}, "pull_request": {"href": pull}},
        "start_line": comment.start_line,
        "original_start_line": comment.start_line,
        "start_side": comment.side if comment.start_line else None,
        "line": comment.line,
        "original_line": comment.line,
        "side": comment.side,
        "subject_type": "file" if comment.file_level else "line",
        "reactions": threads.rollup(url, comment.reactions),
    }
    return facts if comment.reply_to is None else facts | {"in_reply_to_id": comment.reply_to}
