"""Hold how a call to GitHub is carried through: addresses, retries, redirects, caching, paging."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from bot.github import client, faults
from bot.github.client import Installation
from tests.github_stub import Stub, Time, answer

_PAGE = "<html>bad gateway</html>"


def _in(stub: Stub, http: aiohttp.ClientSession) -> Installation:
    return stub.client(http).for_installation(5)


async def test_headers_are_githubs() -> None:
    """Every request names the API version, the media type and who asks."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {})
        await _in(stub, http).get("/thing")
        headers = stub.asked("GET", "/thing")[0].headers
        assert headers["x-github-api-version"] == "2022-11-28"
        assert headers["accept"] == "application/vnd.github+json"
        assert headers["user-agent"] == "journeyman/0.1"


async def test_variables_are_encoded() -> None:
    """A branch name with a question mark stays one query value, a label with spaces one path segment."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/labels/a b?c", {"ok": True})
        found = await _in(stub, http).get("/labels/{name}{?ref}", name="a b?c", ref="fix/#1 & más")
        assert found == {"ok": True}
        assert stub.asked("GET")[0].query == {"ref": "fix/#1 & más"}


@pytest.mark.parametrize(
    ("template", "variables"),
    [
        ("https://evil.example/x", {}),
        ("//evil.example/x", {}),
        ("/repos/{owner}/x", {"owner": ".."}),
        ("/repos/{owner}/x", {"owner": ""}),
        ("/repos/{owner}/x", {"owner": None}),
        ("/repos/{owner}/x", {}),
        ("/contents{/path*}", {"path": ["a", "..", "b"]}),
        ("/contents{/path*}", {"path": ["a", "", "b"]}),
    ],
)
async def test_address_that_leaves_the_api_is_refused(template: str, variables: dict[str, object]) -> None:
    """An absolute address, a climbing segment and a missing part never reach the network."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        with pytest.raises(ValueError, match=r"is not a path|cannot be part|needs"):
            await _in(stub, http).get(template, **variables)
        assert stub.seen == []


@pytest.mark.parametrize("name", ["one", "a/b/c", "/x", "x/"])
def test_repository_is_owner_and_name(name: str) -> None:
    """Anything but owner/name is refused before it becomes part of an address."""
    with pytest.raises(ValueError, match="owner/name"):
        client.owner_and_name(name)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, None])
async def test_repeatable_request_survives_three_failures(method: str, status: int | None) -> None:
    """Three broken connections or 5xx (even 520, unknown to Python) are sat out with growing pauses."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.on(method, "/thing", lambda *_: answer({"ok": True}))
        broken = None if status is None else lambda: web.Response(status=status, text=_PAGE)
        stub.fail(method, "/thing", times=3, answer=broken)
        installation = _in(stub, http)
        if method == "DELETE":
            await installation.delete("/thing")
        elif method == "GET":
            assert await installation.get("/thing") == {"ok": True}
        else:
            send = installation.put if method == "PUT" else installation.patch
            assert await send("/thing", {"n": 1}) == {"ok": True}
        assert sum(stub.time.slept) <= 7.0
        # aiohttp itself sends a request once more when a kept connection turns out to be broken
        assert sum(stub.time.slept) >= (0.5 if status is None else 3.5)


async def test_lasting_failure_is_unavailable_with_a_time() -> None:
    """After four tries the failure is the world's, and says when to come back."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.fail("GET", "/thing", times=99, answer=lambda: web.Response(status=502, text=_PAGE))
        with pytest.raises(faults.Unavailable, match="502") as caught:
            await _in(stub, http).get("/thing")
        assert caught.value.retry_after == 60
        assert len(stub.asked("GET", "/thing")) == 4


async def test_cut_json_is_a_failure_of_the_world() -> None:
    """A 200 with half a body is asked for again, then reported, never taken for data."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        half = {"text": '{"id": ', "content_type": "application/json"}
        stub.says("/thing", {"ok": True})
        stub.fail("GET", "/thing", times=2, answer=lambda: web.Response(**half))
        assert await _in(stub, http).get("/thing") == {"ok": True}
        stub.fail("GET", "/thing", times=9, answer=lambda: web.Response(text=_PAGE, content_type="text/html"))
        with pytest.raises(faults.Unavailable, match="not JSON"):
            await _in(stub, http).get("/thing")


@pytest.mark.parametrize("status", [500, 502, 503, 504, None])
async def test_post_with_a_lost_answer_is_uncertain_and_sent_once(status: int | None) -> None:
    """A POST that may have worked is never blindly sent again."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        broken = None if status is None else lambda: web.Response(status=status, text=_PAGE)
        stub.fail("POST", "/things", times=9, answer=broken)
        with pytest.raises(faults.Uncertain):
            await _in(stub, http).post("/things", {"n": 1})
        assert len(stub.asked("POST", "/things")) == 1


async def test_unreachable_host_is_unavailable_even_for_post() -> None:
    """A connection that was never made cannot have changed anything: nothing is uncertain about it."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        github = stub.client(http, api_url=f"http://127.0.0.1:{unused_port()}")
        with pytest.raises(faults.Unavailable):
            await github.app().post("/things", {"n": 1})
        assert len(stub.time.slept) == 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_renamed_repository_is_followed_for_reads(status: int) -> None:
    """A redirect on the same host is followed with our token."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/repos/o/old", {}, status, Location="/api/v3/repositories/9")
        stub.says("/repositories/9", {"id": 9})
        assert await _in(stub, http).get("/repos/{owner}/{repo}", owner="o", repo="old") == {"id": 9}


async def test_write_is_not_turned_into_a_read_by_a_redirect() -> None:
    """301 on a POST does not become a GET that seems to succeed; 307 keeps method and body."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        moved = {"Location": "/api/v3/new"}
        stub.on("POST", "/old", lambda *_: answer({}, 301, moved))
        with pytest.raises(faults.Moved):
            await _in(stub, http).post("/old", {"n": 1})
        stub.on("POST", "/old", lambda *_: answer({}, 307, moved))
        stub.on("POST", "/new", lambda _, data: answer(data, 201))
        assert await _in(stub, http).post("/old", {"n": 1}) == {"n": 1}
        assert stub.asked("GET") == []


async def test_token_never_goes_to_another_host() -> None:
    """A redirect or a next page on another host is refused."""
    async with Stub(Time()) as stub, Stub(Time()) as other, aiohttp.ClientSession() as http:
        stub.says("/thing", {}, 302, Location=f"{other.url}/thing")
        with pytest.raises(faults.Moved, match="another host"):
            await _in(stub, http).get("/thing")
        stub.says("/list", [1], Link=f'<{other.url}/list?page=2>; rel="next"')
        with pytest.raises(faults.Moved, match="another host"):
            assert [n async for n in _in(stub, http).getiter("/list")]
        assert other.seen == []


async def test_redirect_circle_ends() -> None:
    """A redirect to itself is an error after four requests."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {}, 302, Location="/api/v3/thing")
        with pytest.raises(faults.Moved, match="circles"):
            await _in(stub, http).get("/thing")
        assert len(stub.asked("GET", "/thing")) == 4


async def test_pages_are_followed_and_objects_need_their_list() -> None:
    """Entries come from the named list of each page; a shape we don't know is not an empty list."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:

        def page(request: web.Request, _: object) -> web.Response:
            if request.query.get("page") == "2":
                return answer({"total": 3, "runs": [3]})
            following = f'<{stub.url}/runs?page=2>; rel="next", <{stub.url}/runs?page=2>; rel="last"'
            return answer({"total": 3, "runs": [1, 2]}, headers={"Link": following})

        stub.on("GET", "/runs", page)
        installation = _in(stub, http)
        assert [n async for n in installation.getiter("/runs", items="runs")] == [1, 2, 3]
        with pytest.raises(faults.Unavailable, match="no list"):
            assert [n async for n in installation.getiter("/runs")]


async def test_endless_list_is_an_error_unless_bounded() -> None:
    """A list that never ends is not taken for a whole one."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/list", [1], Link=f'<{stub.url}/list>; rel="next"')
        assert len([n async for n in _in(stub, http).getiter("/list", pages=3)]) == 3
        with pytest.raises(faults.Unavailable, match="more than 100 pages"):
            assert [n async for n in _in(stub, http).getiter("/list")]


async def test_unchanged_answer_comes_from_the_cache_as_a_copy() -> None:
    """A 304 gives the same data again; changing what was returned changes nothing kept."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:

        def thing(request: web.Request, _: object) -> web.Response:
            if request.headers.get("If-None-Match") == '"v1"':
                return web.Response(status=304)
            return answer({"labels": ["a"]}, headers={"ETag": '"v1"'})

        stub.on("GET", "/thing", thing)
        installation = _in(stub, http)
        first = await installation.get("/thing")
        first["labels"].append("mine")
        assert await installation.get("/thing") == {"labels": ["a"]}
        assert stub.asked("GET", "/thing")[-1].headers["if-none-match"] == '"v1"'


async def test_unchanged_page_still_leads_to_the_next() -> None:
    """A 304 carries no Link header; the next page is remembered with the cached one."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:

        def page(request: web.Request, _: object) -> web.Response:
            if request.query.get("page") == "2":
                return answer([2])
            if request.headers.get("If-None-Match"):
                return web.Response(status=304)
            return answer([1], headers={"ETag": '"v1"', "Link": f'<{stub.url}/list?page=2>; rel="next"'})

        stub.on("GET", "/list", page)
        installation = _in(stub, http)
        for _ in range(2):
            assert [n async for n in installation.getiter("/list")] == [1, 2]


async def test_cache_is_not_shared_between_installations() -> None:
    """What one installation may read is not conditional on what another one has read."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        stub.says("/thing", {"secret": 1}, ETag='"v1"')
        github = stub.client(http)
        await github.for_installation(5).get("/thing")
        await github.for_installation(6).get("/thing")
        assert [seen.headers.get("if-none-match") for seen in stub.asked("GET", "/thing")] == [None, None]
        assert github.for_installation(5) is github.for_installation(5)


async def test_deleting_what_is_gone_is_done() -> None:
    """A DELETE repeated after a lost answer meets a 404 and is content."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        await _in(stub, http).delete("/reactions/{id}", id=4)
        assert len(stub.asked("DELETE")) == 1


async def test_identity_is_asked_once_and_works_without_the_bot_account() -> None:
    """The slug comes from GET /app; where the bot's account is hidden, the App's id still tells our own."""
    async with Stub(Time()) as stub, aiohttp.ClientSession() as http:
        me = await _in(stub, http).identity()
        assert (me.slug, me.login, me.user_id) == ("keeper", "keeper[bot]", 70)
        assert me.email == "70+keeper[bot]@users.noreply.github.com"
        stub.on("GET", "/users/keeper[bot]", lambda *_: answer({"message": "Not Found"}, 404))
        installation = _in(stub, http)
        hidden = await installation.identity()
        assert await installation.identity() is hidden
        assert hidden.user_id is None
        assert hidden.made({"user": {"id": 999, "login": "keeper[bot]"}})
        assert hidden.made({"performed_via_github_app": {"id": 7}, "user": {"login": "x"}})
        assert not hidden.made({"user": {"id": 1, "login": "other[bot]"}})
        assert not me.made(
            {"performed_via_github_app": {"id": 8}, "user": {"id": 71, "login": "keeper[bot]"}}
        )
        assert len(stub.asked("GET", "/app")) == 2
