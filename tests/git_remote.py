"""Serve bare repositories over git's smart HTTP to those who know the password, and make small histories."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

TOKEN = "ghs_" + "1.aB-c_" * 10
CLEAN = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0000",
    "GIT_COMMITTER_DATE": "1700000000 +0000",
}


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git in `folder` and return what it says."""
    done = subprocess.run(
        ("git", *arguments), cwd=folder, env=CLEAN, input=stdin, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogateescape").strip()


def make_clone(folder: Path, files: dict[str, str]) -> Path:
    """Make a repository with one commit of `files` on main."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "--initial-branch=main")
    add_commit(folder, files)
    return folder


def add_commit(clone: Path, files: dict[str, str], message: str = "work") -> str:
    """Write `files`, commit all of the tree and return the id."""
    for name, content in files.items():
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "--allow-empty", "-m", message)
    return git(clone, "rev-parse", "HEAD")


@dataclass
class GitRemote:
    """A folder of bare repositories behind HTTP; `seen` holds each request's method, path, Authorization."""

    root: Path
    authorization: str
    url: str = ""
    status: int | None = None  # answer everything with this
    location: str = ""
    watch: Callable[[web.Request], None] = lambda _: None
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)

    def publish(self, clone: Path, name: str = "ada/widget") -> str:
        """Copy a clone to the server and return its URL."""
        target = self.root / f"{name}.git"
        target.parent.mkdir(parents=True, exist_ok=True)
        git(clone, "clone", "-q", "--bare", ".", str(target))
        git(target, "config", "http.receivepack", "true")
        return f"{self.url}/{name}.git"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Ask for the password, then let git's own CGI program answer."""
        self.seen.append((request.method, request.path_qs, request.headers.get("Authorization")))
        self.watch(request)
        if self.status is not None:
            return web.Response(
                status=self.status, headers={"Location": self.location} if self.location else {}
            )
        if request.headers.get("Authorization") != self.authorization:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        body = await request.content.read()
        process = await asyncio.create_subprocess_exec(
            "git", "http-backend", env=self._cgi(request, len(body)),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        output, _ = await process.communicate(body)
        head, _, content = output.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=content)

    def _cgi(self, request: web.Request, length: int) -> dict[str, str]:
        return CLEAN | {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "x-access-token",
        }

    async def serve(self) -> web.AppRunner:
        """Start on a free loopback port; the caller cleans the runner up."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.answer)
        # git's CGI inflates by itself
        runner = web.AppRunner(app, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner
