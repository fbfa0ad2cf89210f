"""The API's door lets tokens in, at their rate, and nobody else."""

from pathlib import Path

import pytest

from bot.errors import UserFault
from bot.web.api import access
from storage.database import Database
from tests import api_world
from tests.api_world import OTHER, TOKEN

ROUTES = [
    ("POST", "/sessions"), ("GET", "/sessions/abc"), ("GET", "/sessions/abc/tasks"), ("POST", "/tasks"),
    ("GET", "/tasks/abc"), ("GET", "/tasks/abc/status"), ("POST", "/tasks/abc/cancel"),
    ("GET", "/tasks/abc/events"), ("GET", "/nothing"), ("DELETE", "/tasks/abc"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/openapi.json")])
async def test_without_tokens_everything_is_401(
    sqlite: Database, tmp_path: Path, method: str, path: str
) -> None:
    """An API that nobody has switched on says so, whoever asks for whatever."""
    async with api_world.serving(sqlite, tmp_path, api_tokens=()) as api:
        answer = await api.call(method, path)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.body["status"] == 401
    assert "JOURNEYMAN_API_TOKENS" in answer.body["detail"]


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("Bearer", id="no token"),
        pytest.param("Bearer  ", id="blank"),
        pytest.param(f"Basic {TOKEN}", id="another scheme"),
        pytest.param(f"Bearer {TOKEN}x", id="longer"),
        pytest.param(f"Bearer {TOKEN[:-1]}", id="shorter"),
        pytest.param(f"Bearer {TOKEN},{OTHER}", id="both"),
        pytest.param("Bearer \udcff\udcfe", id="no text"),
        pytest.param(TOKEN, id="no scheme"),
    ],
)
async def test_what_is_no_token_of_ours_is_401(sqlite: Database, tmp_path: Path, header: str | None) -> None:
    """Every route refuses it as a problem with the challenge; the document is for anybody."""
    headers = {} if header is None else {"Authorization": header}
    async with api_world.serving(sqlite, tmp_path) as api:
        for method, path in ROUTES:
            answer = await api.call(method, path, token=None, headers=headers)
            assert (method, path, answer.status) == (method, path, 401)
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="journeyman"')
        assert (await api.call("GET", "/openapi.json", token=None, headers=headers)).status == 200


async def test_every_token_opens_in_any_spelling_of_the_scheme(sqlite: Database, tmp_path: Path) -> None:
    """RFC 9110: the scheme's case does not matter; what is not there is 404, what is not possible 405."""
    async with api_world.serving(sqlite, tmp_path) as api:
        for given in (f"Bearer {TOKEN}", f"bearer {OTHER}", f"BEARER  {TOKEN}"):
            answer = await api.call("GET", "/tasks/abc", token=None, headers={"Authorization": given})
            assert answer.status == 404
        missing = await api.call("GET", "/nothing")
        assert (missing.status, missing.body["title"]) == (404, "Not Found")
        wrong = await api.call("DELETE", "/tasks/abc")
        assert (wrong.status, wrong.body["status"], wrong.headers["Allow"]) == (405, 405, "GET")


async def test_each_token_has_its_own_rate(sqlite: Database, tmp_path: Path) -> None:
    """The call beyond the rate is 429 and says when to come back; another token goes on."""
    async with api_world.serving(sqlite, tmp_path, api_rate="3/h") as api:
        statuses = [(await api.call("GET", "/tasks/abc")).status for _ in range(3)]
        refused = await api.call("GET", "/tasks/abc")
        other = await api.call("GET", "/tasks/abc", token=OTHER)

    assert statuses == [404, 404, 404]
    assert (refused.status, other.status) == (429, 404)
    assert 3500 < int(refused.headers["Retry-After"]) <= 3601
    assert refused.body["title"] == "Too Many Requests"


async def test_guessing_is_slowed_down_and_known_callers_are_not(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After many wrong tokens an address gets 429 for any, but for the one it was let in with before."""
    monkeypatch.setattr(access, "MOST_FAILURES", 20)
    async with api_world.serving(sqlite, tmp_path) as api:
        assert (await api.call("GET", "/tasks/abc")).status == 404
        statuses = [
            (await api.call("GET", "/tasks/abc", token=f"guess-{n}")).status
            for n in range(access.MOST_FAILURES + 1)
        ]
        guessed = await api.call("GET", "/tasks/abc", token=OTHER)
        known = await api.call("GET", "/tasks/abc")
        none = await api.call("GET", "/tasks/abc", token=None)

    assert none.status == 401
    assert statuses == [401] * access.MOST_FAILURES + [429]
    assert (guessed.status, known.status) == (429, 404)
    assert int(guessed.headers["Retry-After"]) > 0


def test_what_is_remembered_of_strangers_is_bounded() -> None:
    """A flood of addresses takes no more room than the table has."""
    door = access.Access(["token"], "60/min")
    for number in range(access.MOST_ADDRESSES + 50):
        door._failures[f"address-{number}"] = 0.0, 1
        door._known[f"address-{number}", "token"] = True

    assert len(door._failures) == len(door._known) == access.MOST_ADDRESSES


@pytest.mark.parametrize("rate", ["", "60", "60/day", "0/min", "-1/s", "60/min, 5/s", "1.5/s", "²/s"])
async def test_a_rate_that_cannot_be_read_stops_the_start(
    sqlite: Database, tmp_path: Path, rate: str
) -> None:
    """The sentence names the variable."""
    with pytest.raises(UserFault, match="JOURNEYMAN_API_RATE"):
        async with api_world.serving(sqlite, tmp_path, api_rate=rate):
            pass
