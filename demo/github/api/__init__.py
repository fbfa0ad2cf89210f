"""The REST API decides which operations there are, one file for each noun."""

from demo.github.api import (
    apps,
    check_runs,
    comments,
    commits,
    contents,
    issue_events,
    issues,
    labels,
    pull_requests,
    reactions,
    refs,
    repositories,
    reviews,
)
from demo.github.call import Route


def routes() -> list[Route]:
    """Return every operation, the more specific paths first."""
    rooms = (apps, repositories, comments, reactions, labels, issue_events, issues)
    others = (reviews, pull_requests, check_runs, refs, commits, contents)
    return [route for room in (*rooms, *others) for route in room.ROUTES]
