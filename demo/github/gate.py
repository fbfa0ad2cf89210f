"""The gate decides whether a REST request gets in, and dresses every answer: limits, ETag, journal."""

import asyncio
import gzip
import hashlib
import json
import time
import zlib
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler as WebHandler

from demo.github import credentials
from demo.github.app import Token
from demo.github.call import Answer, Call, Refusal, Route
from demo.github.faults import Rule
from demo.github.journal import Entry
from demo.github.repository import Repository
from demo.github.world import World

VERSIONS = ("2022-11-28", "2026-03-10")
HOURLY = 5000
NAMELESS = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"
NOTED = ("Accept", "User-Agent", "X-GitHub-Api-Version", "If-None-Match")


class Gate:
    """Turns routes into web handlers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._count = 0

    def handler(self, route: Route) -> WebHandler:
        """Return the web handler of a route."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(route, request)

        return handle

    async def missing(self, request: web.Request) -> web.StreamResponse:
        """Answer what is no route, in GitHub's way."""
        return await self._handle(Route(request.method, "", _nothing, actor="any"), request)

    async def _handle(self, route: Route, request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        path = "/" + request.path.removeprefix("/api/v3").lstrip("/")
        rules = self._world.faults.answer_to(f"{request.method} {path}")
        if "slow" in rules:
            await asyncio.sleep(rules["slow"].seconds)
        call = Call(self._world, request, path, None, {})
        body: Any = None
        try:
            body = await _json(request)
            call.body = body if isinstance(body, dict) else {}
            answer = injected(rules["fail"]) if "fail" in rules else await self._work(route, call, rules)
        except Refusal as refusal:
            answer = Answer(refusal.body, refusal.status, refusal.headers)
        response = self._dress(call, answer, "fail" in rules)
        self._note(call, body, answer, response.status, time.monotonic() - started, rules)
        if "lose" in rules and request.transport is not None:
            request.transport.close()
        return response

    async def _work(self, route: Route, call: Call, rules: dict[str, Rule]) -> Answer:
        request = call.request
        if not request.headers.get("User-Agent"):
            raise Refusal(403, NAMELESS)
        version = request.headers.get("X-GitHub-Api-Version", VERSIONS[0])
        if version not in VERSIONS:
            raise Refusal(400, f"The API version '{version}' is not supported.")
        self._identify(route, call)
        if "owner" in request.match_info or "repository_id" in request.match_info:
            call.place = self._place(call)
            self._permit(route, call)
        answer = await route.handler(call)
        if "stale" in rules:
            answer = self._stale(answer, rules["stale"].seconds)
        return answer

    def _identify(self, route: Route, call: Call) -> None:
        text = credentials.bearer(call.request.headers.get("Authorization", ""))
        if route.actor == "app":
            credentials.of_app(self._world, text)
            return
        if route.actor == "any" and not text.startswith("ghs_"):
            credentials.of_app(self._world, text)
            return
        call.token = credentials.of_installation(self._world, text)
        self._spend(call.token, free=route.path == "/rate_limit")

    def _spend(self, token: Token, *, free: bool) -> None:
        limits = token.installation
        now = int(self._world.now())
        if now >= limits.limit_resets:
            limits.limit_resets, limits.requests_left = now + 3600, HOURLY
        if limits.requests_left <= 0 and not free:
            raise Refusal(403, f"API rate limit exceeded for installation ID {limits.id}.")
        limits.requests_left -= 0 if free else 1

    def _place(self, call: Call) -> Repository:
        repo = self._named(call)
        reached = repo is not None and (call.token is None or call.token.reaches(repo))
        if repo is None or not (reached or (not repo.private and call.request.method == "GET")):
            raise Refusal(404, "Not Found")
        return repo

    def _named(self, call: Call) -> Repository | None:
        """Return the repository that the path names or numbers; raises the 301 of a renamed one."""
        if "repository_id" in call.request.match_info:
            wanted, tail = call.number("repository_id"), call.path.split("/", 3)[3:]
            found = next((each for each in self._world.repositories.values() if each.id == wanted), None)
            if found:
                call.path = "/".join([f"/repos/{found.full_name}", *tail])
            return found
        name = f"{call.part('owner')}/{call.part('repo')}".lower()
        moved = self._world.moved.get(name)
        if moved and name not in self._world.repositories:
            url = "/".join([f"{self._world.url}/repositories/{moved.id}", *call.path.split("/", 4)[4:]])
            raise Refusal(301, "Moved Permanently", headers={"Location": url}, url=url)
        return self._world.repositories.get(name)

    def _permit(self, route: Route, call: Call) -> None:
        if call.token is None:
            return
        permission, level = route.needs.split(":")
        granted = call.token.may(permission, level)
        if permission == "issues" and not granted and "number" in call.request.match_info:
            number = call.part("number")
            thread = self._world.issues[call.repo.id].get(int(number) if number.isdigit() else 0)
            granted = thread is not None and thread.is_pull and call.token.may("pull_requests", level)
        readable = level == "read" and not call.repo.private
        if not granted and not readable:
            needed = {"X-Accepted-GitHub-Permissions": f"{permission}={level}"}
            raise Refusal(403, "Resource not accessible by integration", headers=needed)
        if level == "write" and call.repo.archived:
            raise Refusal(403, "Repository was archived so is read-only.")

    def _stale(self, answer: Answer, seconds: float) -> Answer:
        def young(thing: Any) -> bool:
            return isinstance(thing, dict) and self._world.age(thing.get("id", 0)) < seconds

        if young(answer.body):
            raise Refusal(404, "Not Found")
        if isinstance(answer.body, list):
            answer.body = [each for each in answer.body if not young(each)]
        elif isinstance(answer.body, dict):
            answer.body = {
                key: [each for each in value if not young(each)] if isinstance(value, list) else value
                for key, value in answer.body.items()
            }
        return answer

    def _dress(self, call: Call, answer: Answer, is_injected: bool) -> web.Response:
        self._count += 1
        raw = answer.raw
        if raw is None:
            raw = b"" if answer.body is None else json.dumps(answer.body, separators=(",", ":")).encode()
        headers = self._headers(call) | answer.headers
        status = answer.status
        if status == 200 and call.request.method == "GET" and not is_injected:
            headers["ETag"] = f'W/"{hashlib.sha256(raw).hexdigest()}"'
            headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
            headers["Vary"] = "Accept, Authorization, Cookie, X-GitHub-OTP"
            if call.request.headers.get("If-None-Match", "").removeprefix("W/") == headers["ETag"][2:]:
                status, raw = 304, b""
                if call.token:
                    call.token.installation.requests_left += 1
                    headers |= self._limits(call.token)
        if raw:
            headers["Content-Type"] = answer.media
        return web.Response(status=status, body=raw or None, headers=headers)

    def _headers(self, call: Call) -> dict[str, str]:
        moment = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self._world.now()))
        facts = {
            "Date": moment,
            "Server": "github.com",
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Api-Version-Selected": call.request.headers.get("X-GitHub-Api-Version", VERSIONS[0]),
            "X-GitHub-Request-Id": f"{self._count:04X}:{id(self) & 0xFFFFF:X}:{int(self._world.now()):X}",
        }
        return facts | (self._limits(call.token) if call.token else {})

    @staticmethod
    def _limits(token: Token) -> dict[str, str]:
        left = token.installation.requests_left
        return {
            "X-RateLimit-Limit": str(HOURLY),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(token.installation.limit_resets),
            "X-RateLimit-Used": str(HOURLY - left),
            "X-RateLimit-Resource": "core",
        }

    def _note(
        self, call: Call, body: Any, answer: Answer, status: int, seconds: float, rules: dict[str, Rule]
    ) -> None:
        request = call.request
        actor = f"installation {call.token.installation.id}" if call.token else "app"
        self._world.journal.entries.append(
            Entry(
                request.method,
                call.path,
                dict(request.query),
                actor,
                status,
                body,
                None if status == 304 else answer.body,
                seconds,
                {key: request.headers[key] for key in NOTED if key in request.headers},
                injected="fail" in rules,
                lost="lose" in rules,
            )
        )


async def _nothing(_call: Call) -> Answer:
    raise Refusal(404, "Not Found")


def injected(rule: Rule) -> Answer:
    """Return the answer that a switch makes."""
    body = {"message": "Server Error"} if rule.body is None else rule.body
    if isinstance(body, str):
        return Answer(body, rule.status, rule.headers, body.encode(), "text/html; charset=utf-8")
    return Answer(body, rule.status, rule.headers)


async def _json(request: web.Request) -> Any:
    raw = await request.read()
    if request.headers.get("Content-Encoding") == "gzip":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise Refusal(400, "Problems parsing JSON") from error
    if not raw.strip():
        return None
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "Problems parsing JSON") from error
    if not isinstance(parsed, dict | list):
        raise Refusal(400, "Body should be a JSON object")
    return parsed
