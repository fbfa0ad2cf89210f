"""Every webhook example that GitHub publishes is taken."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from handlers import routes
from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState
from tests import github_webhook_examples
from tests.webhook_post import receiving

# What GitHub's own examples ask for where the label is "bug"; many tell of one and the same comment.
ASKED = {
    "run": 2,
    "stop": 6,  # the label taken away twice, one issue deleted, one transferred
    "comment": 1,
    "edited": 2,
    "review": 1,
    "pull_closed": 1,
    "pull_reopened": 1,
    "button": 3,
    "check_failed": 1,
    "configured": 4,  # two pushes to the default branch, and what two installations reach
    "repository": 12,
    "installation": 7,
}


async def test_every_published_example_is_stored_once(database: Database, tmp_path: Path) -> None:
    """Each example, signed and posted twice, is 202 and then 200, is one row, and none is parked."""
    examples = await _examples()
    async with receiving(database, tmp_path, label="bug") as hook:
        for attempt in (202, 200):
            posts = [
                hook.post(payload, event=event, id_=str(number))
                for number, (event, payload) in enumerate(examples)
            ]
            statuses = await asyncio.gather(*posts)
            expected = [200 if event == "ping" else attempt for event, _ in examples]
            assert statuses == expected
        rows = await hook.rows(Delivery)
        requests = await hook.rows(Request)
    assert sorted(int(row.id) for row in rows) == list(range(len(examples)))
    parked = {f"{row.event}.{row.action}": row.error for row in rows if row.state is DeliveryState.PARKED}
    assert parked == {}
    assert Counter(str(request.kind) for request in requests) == ASKED


async def _examples() -> list[tuple[str, dict[str, Any]]]:
    """Return every example as published and, where it came from a repository's webhook, as from an App's."""
    try:
        examples = await asyncio.to_thread(github_webhook_examples.load)
    except github_webhook_examples.Unavailable as absence:
        if github_webhook_examples.is_required():
            raise
        pytest.skip(str(absence))
    assert len(examples) > 300
    router = routes.router()
    taken = {*router._shallow_routes, *router._deep_routes}
    return examples + [
        (event, payload | {"installation": {"id": 3}})
        for event, payload in examples
        if event in taken and "installation" not in payload
    ]
