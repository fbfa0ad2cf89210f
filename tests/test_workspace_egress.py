"""Hold the egress proxy and the reading of the host's registries to what set-up may reach."""

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from bot.workspace import egress, index_pages, registries
from tests import tiny_index

JSON_PAGE = "application/vnd.pypi.simple.v1+json"


@pytest.fixture
async def index() -> AsyncIterator[tiny_index.TinyIndex]:
    """Serve a tiny index that has one wheel."""
    async with tiny_index.serve() as served:
        served.add("tiny_thing", "1.0", {"tiny_thing.py": "answer = 42\n"})
        yield served


def known(index: tiny_index.TinyIndex, **changes: object) -> registries.Registries:
    """Describe the tiny index as the host's only registry."""
    python = (registries.registry(f"{index.url}/simple"),)
    return registries.Registries(python=python, npm=registries.registry(f"{index.url}/npm"), **changes)  # type: ignore[arg-type]


def client(socket_path: Path) -> aiohttp.ClientSession:
    """Talk to the proxy as a set-up command does."""
    return aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(str(socket_path)), base_url=index_pages.ADDRESS
    )


async def raw(socket_path: Path, head: str) -> bytes:
    """Send a request line that no client library would send."""
    reader, writer = await asyncio.open_unix_connection(str(socket_path))
    writer.write(f"{head}\r\nHost: 127.0.0.1:3128\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("accept", ["text/html", JSON_PAGE])
async def test_file_is_reached_through_the_page(
    index: tiny_index.TinyIndex, tmp_path: Path, accept: str
) -> None:
    """A wheel is read by the link of its project's page, in HTML and in JSON, and no link leads outside."""
    async with egress.serve(known(index), tmp_path / "s") as proxy, client(tmp_path / "s") as session:
        async with session.get("/pypi/simple/tiny-thing/", headers={"Accept": accept}) as answer:
            page = await answer.text()
            assert answer.headers["ETag"] == '"tiny-1"'
            assert answer.headers["Cache-Control"] == "max-age=600"
        links = index_pages._Anchors()
        links.feed(page)
        link = json.loads(page)["files"][0]["url"] if accept == JSON_PAGE else links.anchors[0][0]["href"]
        assert link.startswith("/pypifiles/")
        async with session.get(link) as answer:
            assert await answer.read() == next(iter(index.files.values()))
        async with session.get(link, headers={"Range": "bytes=0-3"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"PK\x03\x04")
            assert answer.headers["Content-Range"].startswith("bytes 0-3/")
        assert proxy.refused == []


async def test_page_is_revalidated(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """A page that the client has already is answered 304, so uv's cache stays useful."""
    async with (
        egress.serve(known(index), tmp_path / "s"),
        client(tmp_path / "s") as session,
        session.get("/pypi/simple/tiny-thing/", headers={"If-None-Match": '"tiny-1"'}) as answer,
    ):
        assert answer.status == 304


async def test_links_outlive_the_proxy(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """With the same key a link of an earlier proxy is valid, with another key it is refused."""
    links = []
    for key in (b"one", b"one", b"two"):
        async with egress.serve(known(index), tmp_path / "s", key=key), client(tmp_path / "s") as session:
            if not links:
                async with session.get("/pypi/simple/tiny-thing/", headers={"Accept": JSON_PAGE}) as answer:
                    links = [file["url"] for file in json.loads(await answer.text())["files"]]
            async with session.get(links[0]) as answer:
                assert answer.status == (403 if key == b"two" else 200)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/npm/left", "/pypi/simple/tiny-thing/", "/legacy/"])
async def test_nothing_is_published(
    index: tiny_index.TinyIndex, tmp_path: Path, method: str, path: str
) -> None:
    """Every method but GET and HEAD is answered 405 and never reaches the registry."""
    async with egress.serve(known(index), tmp_path / "s") as proxy, client(tmp_path / "s") as session:
        async with session.request(
            method, path, data=b"secret", headers={"Authorization": "Bearer x"}
        ) as answer:
            assert answer.status == 405
        assert len(proxy.refused) == 1
    assert index.requests == []


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET http://example.org/ HTTP/1.1", 403),
        ("GET http://169.254.169.254/latest/meta-data HTTP/1.1", 403),
        ("GET http://127.0.0.1:22/ HTTP/1.1", 403),
        ("GET http://[::1]:80/ HTTP/1.1", 403),
        ("GET http://allowed.example.evil.test/ HTTP/1.1", 403),
        ("GET http://allowed.example:8080/ HTTP/1.1", 403),
        ("CONNECT example.org:443 HTTP/1.1", 405),
        ("GET /hosts/example.org/x HTTP/1.1", 403),
        ("GET /hosts/allowed.example@example.org/x HTTP/1.1", 403),
        ("GET /hosts/allowed.example:22/x HTTP/1.1", 403),
        ("GET /pypifiles/00000000000000000000000000000000/https/example.org/x.whl HTTP/1.1", 403),
        ("GET /pypifiles/x/http/[/x HTTP/1.1", 403),
        ("GET /pypi/simple/ HTTP/1.1", 403),
        ("GET /pypi/simple/../../secret/ HTTP/1.1", 403),
        ("GET /pypi/simple/%2e%2e/ HTTP/1.1", 403),
        ("GET /npm/../secret HTTP/1.1", 403),
        ("GET /npm/-/whoami HTTP/1.1", 403),
        ("GET //example.org/ HTTP/1.1", 403),
        ("GET / HTTP/1.1", 403),
    ],
)
async def test_other_places_are_refused(
    index: tiny_index.TinyIndex, tmp_path: Path, line: str, status: int
) -> None:
    """Hosts that nobody listed, address literals, other ports and look-alike names are refused."""
    async with egress.serve(known(index), tmp_path / "s", ["allowed.example"]):
        answer = await raw(tmp_path / "s", line)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert index.requests == []


async def test_index_cannot_point_inwards(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """Links of a page to address literals or to plain HTTP elsewhere vanish; HTTPS by name stays."""
    index.extra_links = [
        "https://169.254.169.254/tiny_thing-2.0.tar.gz",
        "http://elsewhere.example/tiny_thing-3.0.tar.gz",
        "file:///etc/tiny_thing-4.0.tar.gz",
        "https://files.example/tiny_thing-5.0.tar.gz",
    ]
    async with (
        egress.serve(known(index), tmp_path / "s"),
        client(tmp_path / "s") as session,
        session.get("/pypi/simple/tiny-thing/", headers={"Accept": JSON_PAGE}) as answer,
    ):
        files = json.loads(await answer.text())["files"]
    assert [file["filename"] for file in files] == [
        "tiny_thing-1.0-py3-none-any.whl",
        "tiny_thing-5.0.tar.gz",
    ]


async def test_redirect_elsewhere_is_refused(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """A registry that redirects to a host which no page lists is not followed."""
    async with tiny_index.serve() as other:
        index.redirect_to = f"{other.url}/files/x"
        async with egress.serve(known(index), tmp_path / "s"), client(tmp_path / "s") as session:
            async with session.get("/pypi/simple/tiny-thing/", headers={"Accept": JSON_PAGE}) as answer:
                link = json.loads(await answer.text())["files"][0]["url"]
            async with session.get(link) as answer:
                assert answer.status == 403
        assert other.requests == []


async def test_credentials_stay_outside(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """The proxy logs in at the index with the host's credentials, which nothing inside shows."""
    index.login = aiohttp.encode_basic_auth("reader", "s3cret")
    address = index.url.replace("http://", "http://reader:s3cret@") + "/simple"
    found = registries.Registries(python=(registries.registry(address),))
    assert "s3cret" not in repr(found)
    async with egress.serve(found, tmp_path / "s"), client(tmp_path / "s") as session:
        async with session.get("/pypi/simple/tiny-thing/", headers={"Accept": JSON_PAGE}) as answer:
            text = await answer.text() + str(answer.headers)
            assert "s3cret" not in text
            assert index.login not in text
            link = json.loads(await answer.text())["files"][0]["url"]
        async with session.get(link) as answer:
            assert answer.status == 200


async def test_private_name_is_refused_with_the_guard(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """With the guard a name that resolves to a private address is not asked, and is named as unreachable."""
    port = URL(index.url).port
    found = registries.Registries(python=(registries.registry(f"http://localhost:{port}/simple"),))
    for public_only, status in ((True, 502), (False, 200)):
        async with (
            egress.serve(found, tmp_path / "s", public_only=public_only) as proxy,
            client(tmp_path / "s") as session,
            session.get("/pypi/simple/tiny-thing/") as answer,
        ):
            assert answer.status == status
            assert list(proxy.unreachable) == ([f"localhost:{port}"] if public_only else [])


async def test_download_is_bounded(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """A set-up that reads more than its limit gets a broken answer, not a short file that looks whole."""
    limits = egress.Limits(total_bytes=400)
    index.files = dict([tiny_index.wheel("tiny_thing", "1.0", {"tiny_thing.py": "x = 1\n" * 50_000})])
    async with egress.serve(known(index), tmp_path / "s", limits=limits), client(tmp_path / "s") as session:
        async with session.get("/pypi/simple/tiny-thing/", headers={"Accept": JSON_PAGE}) as answer:
            link = json.loads(await answer.text())["files"][0]["url"]
        with pytest.raises(aiohttp.ClientError):
            async with session.get(link) as answer:
                await answer.read()


async def test_npm_package_is_reached(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """An npm tarball is read by the link of its package document and by the path of a lock file."""
    async with egress.serve(known(index), tmp_path / "s"), client(tmp_path / "s") as session:
        async with session.get("/npm/left") as answer:
            tarball = (await answer.json())["versions"]["1.0.0"]["dist"]["tarball"]
        assert tarball.startswith(f"{index_pages.ADDRESS}/pypifiles/")
        for link in (
            tarball.removeprefix(index_pages.ADDRESS),
            "/npm/left/-/left-1.0.0.tgz",
            "/left/-/left-1.0.0.tgz",
        ):
            async with session.get(link) as answer:
                assert await answer.read() == b"tarball"


async def test_further_index_goes_first(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """A package of a further index hides one of the same name in the default index."""
    environment = {
        "UV_EXTRA_INDEX_URL": f"{index.url}/simple",
        "UV_DEFAULT_INDEX": "https://default.example/simple",
    }
    found = await registries.discover(environment, tmp_path)
    assert [str(one.url) for one in found.python] == [
        f"{index.url}/simple/",
        "https://default.example/simple/",
    ]


async def test_host_configuration_is_read(tmp_path: Path) -> None:
    """Addresses, credentials and certificates come from pip's files and npm's; local folders are left out."""
    (tmp_path / "ca.pem").write_text("")
    pip = tmp_path / "pip.conf"
    pip.write_text(
        "[global]\nindex-url = https://me:pw%40@mirror.example/simple\n"
        "extra-index-url =\n    file:///somewhere\n    http://second.example/simple\n"
        f"cert = {tmp_path / 'ca.pem'}\n"
    )
    found = await registries.discover({"PIP_CONFIG_FILE": str(pip)}, tmp_path)
    assert [str(one.url) for one in found.python] == [
        "http://second.example/simple/",
        "https://mirror.example/simple/",
    ]
    assert found.python[1].authorization == aiohttp.encode_basic_auth("me", "pw@")
    assert found.ca_files == (tmp_path / "ca.pem",)


async def test_environment_beats_files(tmp_path: Path) -> None:
    """PIP_INDEX_URL is stronger than pip's file, and uv's own name is stronger than pip's."""
    pip = tmp_path / "pip.conf"
    pip.write_text("[global]\nindex-url = https://file.example/simple\n")
    environment = {"PIP_CONFIG_FILE": str(pip), "PIP_INDEX_URL": "https://env.example/simple"}
    assert (
        str((await registries.discover(environment, tmp_path)).python[-1].url)
        == "https://env.example/simple/"
    )
    environment["UV_DEFAULT_INDEX"] = "https://uv.example/simple"
    assert (
        str((await registries.discover(environment, tmp_path)).python[-1].url) == "https://uv.example/simple/"
    )


async def test_default_comes_from_uv(tmp_path: Path) -> None:
    """Without any configuration the index is the one that uv itself takes."""
    found = await registries.discover({"PIP_CONFIG_FILE": "/dev/null"}, tmp_path)
    assert len(found.python) == 1
    assert found.python[0].url.scheme == "https"


async def test_requoted_link_is_valid(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """A client that quotes a link's host and port once more, as pip does, still gets its file."""
    async with egress.serve(known(index), tmp_path / "s"), client(tmp_path / "s") as session:
        async with session.get("/pypi/simple/tiny-thing/", headers={"Accept": JSON_PAGE}) as answer:
            link = json.loads(await answer.text())["files"][0]["url"]
        assert ":" not in link
        answer_bytes = await raw(tmp_path / "s", f"GET {link.replace('~', '%7E')} HTTP/1.1")
    assert answer_bytes.startswith(b"HTTP/1.1 200 ")


async def test_lock_file_leads_to_the_proxy(index: tiny_index.TinyIndex, tmp_path: Path) -> None:
    """A uv.lock's files are read through the proxy where the index keeps files; other hosts stay."""
    own = f"{index.url}/files/tiny_thing-1.0-py3-none-any.whl"
    other = "https://evil.example/tiny_thing-1.0.tar.gz"
    lock = f"""
[[package]]
name = "tiny-thing"
version = "1.0"
source = {{ registry = "https://default.example/simple" }}
sdist = {{ url = "{other}", hash = "sha256:00" }}
wheels = [{{ url = "{own}", hash = "sha256:11" }}]
"""
    async with egress.serve(known(index), tmp_path / "s") as proxy, client(tmp_path / "s") as session:
        told = tomllib.loads((await proxy.localise(lock.encode())).decode())["package"][0]
        assert told["source"]["registry"] == egress.PYTHON_INDEX
        assert told["sdist"]["url"] == other
        assert told["wheels"][0]["hash"] == "sha256:11"
        async with session.get(told["wheels"][0]["url"].removeprefix(index_pages.ADDRESS)) as answer:
            assert await answer.read() == next(iter(index.files.values()))
