"""What becomes of an installation is passed on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.models import Delivery
from storage.words import DeliveryState, RequestKind
from tests.webhook_post import MARIA, Hook, receiving


@pytest.fixture
async def hook(sqlite: Database, tmp_path: Path) -> AsyncIterator[Hook]:
    """Serve the receiver."""
    async with receiving(sqlite, tmp_path) as served:
        yield served


@pytest.mark.parametrize(
    "action", ["created", "deleted", "suspend", "unsuspend", "new_permissions_accepted", "else"]
)
async def test_what_becomes_of_an_installation_is_passed_on(hook: Hook, action: str) -> None:
    """The Request names the installation and no repository; an unknown action is ignored."""
    requests = await hook.asked(
        {"action": action, "installation": {"id": 3}, "sender": MARIA}, "installation"
    )
    told = [(each.kind, each.installation_id, each.repository, each.repository_id) for each in requests]
    assert told == ([] if action == "else" else [(RequestKind.INSTALLATION, 3, "", None)])


async def test_an_installation_without_a_number_is_parked(hook: Hook) -> None:
    """There, unlike at a repository's own webhook, the installation is the very thing told of."""
    assert await hook.asked({"action": "deleted", "sender": MARIA}, "installation") == []
    assert [row.state for row in await hook.rows(Delivery)] == [DeliveryState.PARKED]
