"""The git endpoint decides who may fetch and push, runs `git http-backend`, and takes note of every push."""

import asyncio
import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from demo.github import credentials
from demo.github.call import Refusal
from demo.github.faults import Rule
from demo.github.gate import injected
from demo.github.gitdir import environment
from demo.github.journal import Entry
from demo.github.repository import Repository
from demo.github.world import World

CHUNK = 1 << 16
PUSH = "git-receive-pack"
CHALLENGE = {"WWW-Authenticate": 'Basic realm="GitHub"'}


@dataclass
class Visit:
    """One request to the endpoint: what it wants, of which repository, and if it may change workflows."""

    request: web.Request
    repo: Repository
    service: str
    workflows: bool = False


class SmartHttp:
    """Serves every repository of one world; push and fetch over HTTP, protocol versions 0 and 2."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer `info/refs`, `git-upload-pack` and `git-receive-pack`."""
        started = time.monotonic()
        service = request.query.get("service", "") or request.path.rpartition("/")[2]
        asked = f"{request.method} {request.path}"
        rules = self._world.faults.answer_to(
            f"{asked}?service={service}" if request.method == "GET" else asked
        )
        if "slow" in rules:
            await asyncio.sleep(rules["slow"].seconds)
        moved: list[list[str]] = []
        try:
            if "fail" in rules:
                raise _injected(rules["fail"])
            response = await self._serve(self._admit(request, service), rules, moved)
        except Refusal as refusal:
            await request.read()
            response = web.Response(status=refusal.status, text=f"{refusal}\n", headers=refusal.headers)
        self._note(request, response.status, time.monotonic() - started, rules, moved)
        return response

    def _admit(self, request: web.Request, service: str) -> Visit:
        if service not in ("git-upload-pack", PUSH):
            raise Refusal(403, "Please upgrade your git client.")
        name = f"{request.match_info['owner']}/{request.match_info['repo'].removesuffix('.git')}".lower()
        password = credentials.basic(request.headers.get("Authorization", ""))
        repo = self._world.repositories.get(name)
        if password is None:
            if repo and not repo.private and service != PUSH:
                return Visit(request, repo, service)
            raise Refusal(401, "No anonymous write access.", headers=CHALLENGE)
        try:
            token = credentials.of_installation(self._world, password)
        except Refusal as refusal:
            words = "Invalid username or token. Password authentication is not supported for Git operations."
            status = refusal.status
            raise Refusal(status, words, headers=CHALLENGE if status == 401 else None) from refusal
        moved = self._world.moved.get(name)
        if repo is None and moved:
            tail = request.path_qs.split("/", 3)[3]
            raise Refusal(
                301, "Moved", headers={"Location": f"{self._world.url}/{moved.full_name}.git/{tail}"}
            )
        if repo is None or not token.reaches(repo):
            raise Refusal(404, "Repository not found.")
        if not token.may("contents", "write" if service == PUSH else "read"):
            raise Refusal(403, f"Permission to {repo.full_name}.git denied to {self._world.app.bot.login}.")
        if service == PUSH and repo.archived:
            raise Refusal(403, "This repository was archived so it is read-only.")
        return Visit(request, repo, service, token.may("workflows", "write"))

    async def _serve(
        self, visit: Visit, rules: dict[str, Rule], moved: list[list[str]]
    ) -> web.StreamResponse:
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._world.root))
        process = await self._start(visit, folder)
        feeding = asyncio.create_task(_feed(visit.request, process))
        try:
            headers = await _headers(process)
            status = int(headers.pop("Status", "200").split()[0])
            if visit.service == PUSH and visit.request.method == "POST":
                body = await self._push(visit, process, folder, moved)
                response = web.Response(status=status, headers=headers, body=body)
                if "lose" in rules:
                    _hang_up(visit.request)
                return response
            if "lose" in rules:
                _hang_up(visit.request)
            stream = web.StreamResponse(status=status, headers=headers)
            await stream.prepare(visit.request)
            while chunk := await _output(process).read(CHUNK):
                await stream.write(chunk)
            await stream.write_eof()
            await process.wait()
            return stream
        finally:
            feeding.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
            await asyncio.to_thread(_remove, folder)

    async def _push(
        self, visit: Visit, process: asyncio.subprocess.Process, folder: Path, moved: list[list[str]]
    ) -> bytes:
        """Return receive-pack's answer once the world knows of the push; fills `moved` (old, new, ref)."""
        body = await _output(process).read()
        await process.wait()
        verdict = await asyncio.to_thread(_lines, folder / "verdict")
        if verdict:
            body = _refused(verdict, in_band=body[4:5] in (b"\x01", b"\x02"))
        moved += [line.split(" ") for line in await asyncio.to_thread(_lines, folder / "updates")]
        if moved:
            updates = [(ref, old, new) for old, new, ref in moved]
            await self._world.pushed(visit.repo, self._world.app.bot, updates)
        return body

    async def _start(self, visit: Visit, folder: Path) -> asyncio.subprocess.Process:
        request = visit.request
        surroundings = environment(self._world.root) | {
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_TRANSLATED": f"{visit.repo.git.path}{_tail(request.path)}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_USER": self._world.app.bot.login,
            "REMOTE_ADDR": request.remote or "",
            "VERDICT": str(folder / "verdict"),
            "UPDATES": str(folder / "updates"),
            "WORKFLOWS": "1" if visit.workflows else "",
            "PROTECTED": " ".join(f"refs/heads/{each}" for each in visit.repo.protected),
        }
        if "Content-Length" in request.headers:
            surroundings["CONTENT_LENGTH"] = request.headers["Content-Length"]
        return await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=surroundings,
        )

    def _note(
        self,
        request: web.Request,
        status: int,
        seconds: float,
        rules: dict[str, Rule],
        moved: list[list[str]],
    ) -> None:
        self._world.journal.entries.append(
            Entry(
                request.method,
                request.path,
                dict(request.query),
                "git",
                status,
                [{"ref": ref, "before": old, "after": new} for old, new, ref in moved],
                None,
                seconds,
                injected="fail" in rules,
                lost="lose" in rules,
            )
        )


def _tail(path: str) -> str:
    return "/" + path.split("/", 3)[3]


def _injected(rule: Rule) -> Refusal:
    answer = injected(rule)
    return Refusal(answer.status, str(answer.body), headers=answer.headers)


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


def _output(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise RuntimeError("git http-backend runs without a pipe")
    return process.stdout


async def _feed(request: web.Request, process: asyncio.subprocess.Process) -> None:
    pipe = process.stdin
    if pipe is None:
        return
    with contextlib.suppress(ConnectionError):
        async for chunk in request.content.iter_any():
            pipe.write(chunk)
            await pipe.drain()
    pipe.close()


async def _headers(process: asyncio.subprocess.Process) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := (await _output(process).readline()).decode("latin-1").strip():
        name, _, value = line.partition(": ")
        headers[name] = value
    if not headers:
        raise Refusal(500, "Internal Server Error")
    return headers


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _remove(folder: Path) -> None:
    for each in folder.iterdir():
        each.unlink()
    folder.rmdir()


def _packet(content: bytes) -> bytes:
    return b"%04x" % (len(content) + 4) + content


def _refused(verdict: list[str], *, in_band: bool) -> bytes:
    """Return receive-pack's report for a refused push, with the reasons in place of git's own words."""
    report = (
        _packet(b"unpack ok\n") + b"".join(_packet(f"ng {line}\n".encode()) for line in verdict) + b"0000"
    )
    return _packet(b"\x01" + report) + b"0000" if in_band else report
