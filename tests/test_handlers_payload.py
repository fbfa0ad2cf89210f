"""Whatever a payload holds, the facts taken from it can be stored."""

from pathlib import Path
from typing import Any

import pytest

from handlers import payload
from storage.database import Database
from storage.models import Delivery, Request
from storage.words import DeliveryState
from tests.webhook_post import (
    MARIA,
    checked,
    commented,
    labeled,
    pulled,
    pushed,
    receiving,
    remarked,
    reviewed,
    said,
)

ODD = "a\x00b \ud800 \U0001f600"
GOOD = "a\ufffdb \ufffd \U0001f600"
KEPT = {"action", "type", "ref", "default_branch", "conclusion", "updated_at", "closed_at", "completed_at"}


def _poisoned(value: Any) -> Any:
    """Return the payload with every text spoilt but those that decide whether it is heard at all."""
    if isinstance(value, dict):
        return {key: each if key in KEPT else _poisoned(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_poisoned(each) for each in value]
    return ODD if isinstance(value, str) else value


EVENTS = [
    ("issue_comment", commented()),
    ("issue_comment", commented("edited")),
    ("issues", labeled(action="edited", changes={"title": {}})),
    ("issues", labeled(action="closed")),
    ("pull_request_review", reviewed()),
    ("pull_request_review_comment", remarked(comment={"pull_request_review_id": None})),
    ("pull_request", pulled("closed")),
    ("pull_request", pulled("reopened")),
    ("check_run", checked("completed")),
    ("check_run", checked("requested_action", requested_action={"identifier": "stop"})),
    ("push", pushed(forced=True)),
    ("repository", said(action="renamed", changes={"repository": {"name": {"from": "store"}}})),
    ("installation", {"action": "deleted", "installation": {"id": 3}, "sender": MARIA}),
    (
        "installation_repositories",
        said(action="added", repositories_added=[{"id": 8, "full_name": "acme/other"}]),
    ),
]


async def test_every_text_of_every_request_can_be_stored(database: Database, tmp_path: Path) -> None:
    """NUL and half characters in every text of every event's payload leave none in its Request."""
    async with receiving(database, tmp_path) as hook:
        for event, document in EVENTS:
            assert await hook.post(_poisoned(document), event=event) == 202
        assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.HANDLED}
        requests = await hook.rows(Request)
    assert len(requests) == len(EVENTS)
    texts = [text for each in requests for text in _texts([each.text, each.repository, each.actor])]
    assert {text for text in texts if "\ufffd" in text} == {GOOD, f"{GOOD}/{GOOD}"}
    assert [text for text in texts if "\x00" in text or "\ud800" in text] == []


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [
            text for each in (value.values() if isinstance(value, dict) else value) for text in _texts(each)
        ]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("", ""),
        ("a\x00", "a\ufffd"),
        ("\ud800\udfff", "\ufffd\ufffd"),
        ("ü\x00", "ü\ufffd"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_only_what_cannot_be_stored_is_changed(given: str, stored: str) -> None:
    """NUL and each lone surrogate become U+FFFD; everything else stays."""
    assert payload.storable(given) == stored
