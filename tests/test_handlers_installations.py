"""What becomes of an installation is passed on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from handlers import installations
from storage.database import Database
from storage.models import Delivery, Request
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


@pytest.mark.parametrize("action", ["created", "unsuspend"])
async def test_what_an_installation_reaches_is_looked_at(hook: Hook, action: str) -> None:
    """Each repository's configuration is to be read: it may have been there before us, or have changed."""
    reached = [{"id": id_, "full_name": f"acme/{id_}"} for id_ in (8, 9)]
    change = {"action": action, "installation": {"id": 3}, "repositories": reached, "sender": MARIA}
    assert await hook.post(change, event="installation", id_="one") == 202
    _, *requests = await hook.rows(Request)
    told = [(each.cause, each.repository, each.repository_id, each.installation_id) for each in requests]
    assert told == [("one:8", "acme/8", 8, 3), ("one:9", "acme/9", 9, 3)]
    assert {each.kind for each in requests} == {RequestKind.CONFIGURED}


async def test_of_a_large_installation_the_sweep_looks_at_the_rest(hook: Hook) -> None:
    """Thousands of questions at once would leave GitHub no answer for anyone else in that hour."""
    reached = [{"id": id_, "full_name": f"acme/{id_}"} for id_ in range(1, 1001)]
    told = {"action": "created", "installation": {"id": 3}, "repositories": reached, "sender": MARIA}
    assert len(await hook.asked(told, "installation")) == 1 + installations.MOST_AT_ONCE


async def test_an_end_of_an_installation_reads_nothing(hook: Hook) -> None:
    """GitHub lists the repositories there too."""
    reached = [{"id": 8, "full_name": "acme/8"}]
    told = {"action": "deleted", "installation": {"id": 3}, "repositories": reached, "sender": MARIA}
    assert len(await hook.asked(told, "installation")) == 1
