"""Serve a package index of a few hand-made wheels on loopback, as real HTTP, for the tests of set-up."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web


def wheel(
    name: str, version: str, files: Mapping[str, str], requires: tuple[str, ...] = ()
) -> tuple[str, bytes]:
    """Return the file name and bytes of a pure wheel."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    content = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in content.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            record += f"{path},sha256={digest},{len(text.encode())}\n"
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return f"{name}-{version}-py3-none-any.whl", packed.getvalue()


class TinyIndex:
    """The state of one index: its files by name, what was asked, and whether it asks for credentials."""

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.login: str | None = None
        self.extra_links: list[str] = []
        self.redirect_to: str | None = None

    def add(self, name: str, version: str, files: Mapping[str, str], requires: tuple[str, ...] = ()) -> None:
        """Offer one more wheel."""
        file_name, packed = wheel(name, version, files, requires)
        self.files[file_name] = packed

    async def page(self, request: web.Request) -> web.Response:
        """Answer with a project's page, JSON when asked for it first."""
        self._heard(request)
        project = request.match_info["project"]
        names = [name for name in self.files if name.split("-")[0].replace("_", "-") == project]
        if not names:
            raise web.HTTPNotFound
        headers = {"ETag": '"tiny-1"', "Cache-Control": "max-age=600"}
        if request.headers.get("If-None-Match") == '"tiny-1"':
            return web.Response(status=304, headers=headers)
        links = {name: f"../../files/{name}" for name in names} | {
            link.rsplit("/", 1)[1]: link for link in self.extra_links
        }
        if "json" in request.headers.get("Accept", ""):
            files = [{"filename": name, "url": url, "hashes": {}} for name, url in links.items()]
            body = json.dumps({"meta": {"api-version": "1.0"}, "name": project, "files": files})
            return web.Response(
                text=body, content_type="application/vnd.pypi.simple.v1+json", headers=headers
            )
        anchors = "".join(
            f'<a href="{url}" data-yanked="no &amp; no">{name}</a>' for name, url in links.items()
        )
        return web.Response(
            text=f"<html><body>{anchors}</body></html>", content_type="text/html", headers=headers
        )

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Answer with a wheel, or send elsewhere."""
        self._heard(request)
        if self.redirect_to:
            raise web.HTTPFound(self.redirect_to)
        body = self.files[request.match_info["name"]]
        wanted = request.http_range
        if wanted.start is not None or wanted.stop is not None:
            part = body[wanted]
            first = wanted.start or 0
            told = {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(body)}"}
            return web.Response(status=206, body=part, headers=told)
        return web.Response(body=body, content_type="application/octet-stream")

    async def package(self, request: web.Request) -> web.Response:
        """Answer with an npm package document."""
        self._heard(request)
        tarball = f"{self.url}/npm/left/-/left-1.0.0.tgz"
        body = {"name": "left", "versions": {"1.0.0": {"version": "1.0.0", "dist": {"tarball": tarball}}}}
        return web.json_response(body)

    async def tarball(self, request: web.Request) -> web.Response:
        """Answer with what stands for an npm tarball."""
        self._heard(request)
        return web.Response(body=b"tarball")

    def _heard(self, request: web.Request) -> None:
        self.requests.append((request.method, request.path, dict(request.headers)))
        if self.login and request.headers.get("Authorization") != self.login:
            raise web.HTTPUnauthorized


@asynccontextmanager
async def serve() -> AsyncIterator[TinyIndex]:
    """Serve an empty index on a free port of loopback."""
    index = TinyIndex()
    application = web.Application()
    application.router.add_get("/simple/{project}/", index.page)
    application.router.add_get("/files/{name}", index.file)
    application.router.add_get("/npm/left", index.package)
    application.router.add_get("/npm/left/-/left-1.0.0.tgz", index.tarball)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    index.url = f"http://{host}:{port}"
    try:
        yield index
    finally:
        await runner.cleanup()
