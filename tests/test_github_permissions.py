"""Hold whose role counts, and for how long an answer is believed."""

from typing import Any

import aiohttp
import pytest

from bot.github import faults
from bot.github.permissions import Permissions, Role
from tests.github_stub import Stub, Time

_PATH = "/repos/o/r/collaborators/alice/permission"


@pytest.mark.parametrize(
    ("data", "role"),
    [
        ({"permission": "write", "role_name": "maintain"}, Role.MAINTAIN),
        ({"permission": "read", "role_name": "triage"}, Role.TRIAGE),
        ({"permission": "admin", "role_name": "admin"}, Role.ADMIN),
        ({"permission": "none", "role_name": "none"}, Role.NONE),
        ({"permission": "write", "role_name": "security-champion"}, Role.WRITE),
        ({"permission": "odd", "role_name": "odd"}, Role.NONE),
        ({}, Role.NONE),
        ({"permission": "admin", "role_name": "admin", "user": {"id": 2}}, Role.NONE),
        ({"permission": "admin", "role_name": "admin", "user": {"id": 1}}, Role.ADMIN),
    ],
)
async def test_role_is_githubs(data: dict[str, Any], role: Role) -> None:
    """`role_name` decides, an organisation's own role falls back, a login that changed hands is nobody."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says(_PATH, data)
        installation = stub.client(http).for_installation(5)
        assert await Permissions(stub.time).role(installation, "o/r", "alice", user_id=1) is role


async def test_unknown_person_has_no_role() -> None:
    """A login that GitHub does not know may do nothing."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        installation = stub.client(http).for_installation(5)
        assert await Permissions(stub.time).role(installation, "o/r", "alice") is Role.NONE


async def test_role_is_kept_for_five_minutes() -> None:
    """A withdrawn right is noticed after five minutes, or at once when asked afresh (case 37)."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        installation, permissions = stub.client(http).for_installation(5), Permissions(stub.time)
        stub.says(_PATH, {"role_name": "admin"})
        assert await permissions.role(installation, "o/r", "alice") is Role.ADMIN
        stub.says(_PATH, {"role_name": "read"})
        stub.time.now += 299
        assert await permissions.role(installation, "O/R", "Alice") is Role.ADMIN
        assert await permissions.role(installation, "o/r", "alice", fresh=True) is Role.READ
        stub.says(_PATH, {"role_name": "none"})
        stub.time.now += 301
        assert await permissions.role(installation, "o/r", "alice") is Role.NONE


async def test_unanswered_question_is_not_a_role() -> None:
    """When GitHub cannot be asked nobody is refused or admitted: it is asked again later."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.fail("GET", _PATH, times=99)
        with pytest.raises(faults.Unavailable):
            await Permissions(stub.time).role(stub.client(http).for_installation(5), "o/r", "alice")
