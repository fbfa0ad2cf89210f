"""Which pushes have the configuration read again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from handlers.pushes import CONFIGURATION
from storage.database import Database
from storage.models import Delivery
from storage.words import DeliveryState, RequestKind
from tests.webhook_post import Hook, pushed, receiving

BOT = {"id": 12, "login": "merge-queue[bot]", "type": "Bot"}


@pytest.fixture
async def hook(sqlite: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver."""
    async with receiving(sqlite, tmp_path) as served:
        yield served


@pytest.mark.parametrize("kind", ["added", "modified", "removed"])
async def test_a_push_that_touches_the_configuration_is_told(hook: Hook, kind: str) -> None:
    """A commit that adds, changes or removes the file counts, any of the push, whoever pushed it."""
    other, touching = {"modified": ["a.py"]}, {kind: ["b.py", CONFIGURATION]}
    assert await hook.asked(pushed(other), "push") == []
    (request,) = await hook.asked(pushed(touching, other, sender=BOT), "push")
    assert (request.kind, request.cause) == (RequestKind.CONFIGURED, request.delivery_id)
    assert (request.issue_number, request.text) == (None, {"event": "push", "head_sha": "d" * 40})
    assert len(await hook.asked(pushed(head_commit=touching), "push")) == 2


@pytest.mark.parametrize(
    "more", [{"forced": True}, {"created": True}, {"commits": [{"added": None}] * 20}], ids=str
)
async def test_a_push_that_may_touch_it_is_told(hook: Hook, more: dict[str, Any]) -> None:
    """Where the commits don't tell everything, the file is better read once too often."""
    assert len(await hook.asked(pushed(**more), "push")) == 1


async def test_other_pushes_are_none_of_our_business(hook: Hook) -> None:
    """Another branch, a tag of that name, the branch's own end and a repository's own webhook ask nothing."""
    touching = {"added": [CONFIGURATION]}
    for more in (
        {"ref": "refs/heads/work"},
        {"ref": "refs/tags/main"},
        {"ref": "main"},
        {"deleted": True, "forced": True, "head_commit": None},
        {"installation": None},
    ):
        assert await hook.asked(pushed(touching, **more), "push") == []
    assert {row.state for row in await hook.rows(Delivery)} == {DeliveryState.HANDLED}
    by_nobody = pushed(touching)
    del by_nobody["sender"]  # a push needn't name one
    (request,) = await hook.asked(by_nobody, "push")
    assert (request.actor_id, request.actor) == (None, None)
