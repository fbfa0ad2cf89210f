"""Hold that installation tokens are minted once, early enough, and again when refused."""

import asyncio

import aiohttp
import pytest

from bot.errors import Blocked
from bot.github import faults, tokens
from bot.github.tokens import Scope
from tests.github_stub import Stub, Time, answer


async def test_token_is_minted_once_for_concurrent_calls() -> None:
    """Twenty calls at the same moment cost one token."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {"ok": True})
        installation = stub.client(http).for_installation(5)
        await asyncio.gather(*(installation.get("/thing") for _ in range(20)))
        assert len(stub.minted) == 1
        assert len(stub.asked("GET", "/thing")) == 20


async def test_token_is_renewed_at_four_fifths_of_its_life() -> None:
    """A token of two minutes is used at second 95 and replaced at second 97."""
    async with Stub(Time(), token_life=120) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {})
        installation = stub.client(http).for_installation(5)
        await installation.get("/thing")
        stub.time.now += 95
        await installation.get("/thing")
        assert len(stub.minted) == 1
        stub.time.now += 2
        await installation.get("/thing")
        assert len(stub.minted) == 2
        assert stub.asked("GET", "/thing")[-1].headers["authorization"] == "token ghs_2"


async def test_ten_minutes_on_two_minute_tokens_never_fail() -> None:
    """A long run with short-lived tokens sees no refusal (A5 case 21)."""
    async with Stub(Time(), token_life=120) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {})
        installation = stub.client(http).for_installation(5)
        for _ in range(60):
            await installation.get("/thing")
            stub.time.now += 10
        assert len(stub.asked("GET", "/thing")) == 60
        assert 5 <= len(stub.minted) <= 7


async def test_revoked_token_is_replaced_once_for_all() -> None:
    """When GitHub refuses a token that should live, ten concurrent calls mint one new token and succeed."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {"ok": True})
        installation = stub.client(http).for_installation(5)
        await installation.get("/thing")
        stub.tokens.clear()
        found = await asyncio.gather(*(installation.get("/thing") for _ in range(10)))
        assert found == [{"ok": True}] * 10
        assert len(stub.minted) == 2


async def test_refused_post_is_sent_again_with_a_new_token() -> None:
    """A 401 changed nothing, so even a POST is repeated, once."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        made: list[object] = []
        stub.on("POST", "/things", lambda _, data: (made.append(data), answer({"id": 1}, 201))[1])
        installation = stub.client(http).for_installation(5)
        await installation.post("/things", {"n": 1})
        stub.tokens.clear()
        await installation.post("/things", {"n": 2})
        assert made == [{"n": 1}, {"n": 2}]


async def test_lasting_401_ends_in_bad_credentials() -> None:
    """A token refused again after minting is not tried for ever."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.fail("GET", "/thing", times=99, answer=lambda: answer({"message": "Bad credentials"}, 401))
        with pytest.raises(faults.BadCredentials, match="APP_ID and PRIVATE_KEY"):
            await stub.client(http).for_installation(5).get("/thing")
        assert len(stub.asked("GET", "/thing")) == 2


async def test_push_token_names_repository_and_permission() -> None:
    """A token for git is asked for one repository and contents only, and kept apart from the general one."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {})
        installation = stub.client(http).for_installation(5)
        await installation.get("/thing")
        first = await installation.token(repository_ids=[9], permissions={"contents": "write"})
        again = await installation.token(repository_ids=[9], permissions={"contents": "write"})
        assert stub.minted == [{}, {"repository_ids": [9], "permissions": {"contents": "write"}}]
        assert first == again == "ghs_2"
        header = await installation.authorization(9, "write")
        assert header == tokens.basic("ghs_2")
        assert await installation.authorization(9, "write", refused=header) == tokens.basic("ghs_3")
        assert await installation.authorization(9, "write", refused=header) == tokens.basic("ghs_3")


async def test_permission_granted_later_is_used_by_the_next_try() -> None:
    """After a missing permission a token of some minutes' age is replaced; a young one is kept."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        words = {"message": "Resource not accessible by integration"}
        stub.fail("GET", "/thing", times=3, answer=lambda: answer(words, 403))
        stub.says("/thing", {"ok": True})
        installation = stub.client(http).for_installation(5)
        for _ in range(2):
            with pytest.raises(faults.MissingPermission):
                await installation.get("/thing")
        assert len(stub.minted) == 1
        stub.time.now += 120
        with pytest.raises(faults.MissingPermission):
            await installation.get("/thing")
        assert await installation.get("/thing") == {"ok": True}
        assert len(stub.minted) == 2


def test_scope_never_asks_for_empty_permissions() -> None:
    """An empty permission object would mean all of them."""
    assert Scope.of().request() == {}
    assert Scope.of([2, 1], {}).request() == {"repository_ids": [1, 2]}


def test_token_value_is_not_in_its_representation() -> None:
    """A token that lands in a log line or an exception shows nothing."""
    assert "ghs_secret" not in repr(tokens.Token("ghs_secret", 10.0, 0.0))


def test_basic_header_is_what_git_sends() -> None:
    """The header carries x-access-token and the token, as git's own basic authentication would."""
    assert tokens.basic("T") == "Basic eC1hY2Nlc3MtdG9rZW46VA=="


@pytest.mark.parametrize("skew", [-60.0, 60.0])
async def test_clock_a_minute_off_just_works(skew: float) -> None:
    """One minute of difference needs no second try (A5 case 22)."""
    async with Stub(Time(), skew=skew) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {"ok": True})
        assert await stub.client(http).for_installation(5).get("/thing") == {"ok": True}
        assert stub.refused_jwts == 0


@pytest.mark.parametrize("skew", [-600.0, 600.0, -7200.0])
async def test_clock_ten_minutes_off_is_corrected_by_the_date_header(skew: float) -> None:
    """GitHub's Date gives the offset, and one retry suffices (A5 case 22)."""
    async with Stub(Time(), skew=skew) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {"ok": True})
        github = stub.client(http)
        assert await github.for_installation(5).get("/thing") == {"ok": True}
        assert stub.refused_jwts == 1
        stub.time.now += 3000
        await github.for_installation(5).get("/thing")
        assert stub.refused_jwts == 1


async def test_wrong_key_is_not_retried_for_ever() -> None:
    """A 401 that is not about time is said after one request."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        refusal = {"message": "A JSON web token could not be decoded"}
        stub.fail("GET", "/app", times=99, answer=lambda: answer(refusal, 401))
        with pytest.raises(faults.BadCredentials, match="could not be decoded"):
            await stub.client(http).app().get("/app")
        assert len(stub.asked("GET", "/app")) == 1


async def test_unusable_key_names_the_variable() -> None:
    """A key that is no key is an operator's fault with its name."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        with pytest.raises(Blocked, match="PRIVATE_KEY"):
            await stub.client(http, private_key="nonsense").app().get("/app")


async def test_uninstalled_and_suspended_are_told_apart() -> None:
    """A vanished installation and a suspended one end differently: only one can be resumed (A5 case 18)."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        installation = stub.client(http).for_installation(5)
        stub.fail("POST", "access_tokens", answer=lambda: answer({"message": "Not Found"}, 404))
        with pytest.raises(faults.Uninstalled):
            await installation.get("/thing")
        words = {"message": "This installation has been suspended"}
        stub.fail("POST", "access_tokens", answer=lambda: answer(words, 403))
        with pytest.raises(faults.Suspended):
            await installation.get("/thing")


async def test_minting_survives_a_lost_answer() -> None:
    """Minting is repeated after a broken connection: a spare token harms nobody."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {})
        stub.fail("POST", "access_tokens", times=2, applied=True)
        await stub.client(http).for_installation(5).get("/thing")
        assert len(stub.minted) == 3
