"""Serve the Messages API on loopback from a script: the stand-in for Claude."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from demo.claude import answers, binding, cache, catalogue, requests, script
from demo.claude.conversation import Conversation
from demo.claude.errors import ApiError, invalid
from demo.claude.script import Fault, Script, Turn
from demo.claude.streaming import send

BODY_LIMIT = 32 * 1024 * 1024  # Anthropic: request size limits


@dataclass
class Entry:
    """One request as it came in, with what was answered; `usage` stays None on an error."""

    method: str
    path: str
    headers: Mapping[str, str]  # lower-case names
    raw: bytes
    body: Any
    request_id: str
    status: int = 0
    usage: Mapping[str, Any] | None = None
    fault: str | None = None


@dataclass
class _Injected:
    fault: Fault
    times: int
    when: Callable[[Mapping[str, Any]], bool] | None


@dataclass
class Running:
    """A started stand-in; `url` is the base URL for a client, `journal` every request in order."""

    url: str
    script: Script
    api_key: str
    cache: cache.Cache
    journal: list[Entry] = field(default_factory=list)
    _injected: list[_Injected] = field(default_factory=list)
    _arrivals: dict[str, int] = field(default_factory=dict)
    _runner: web.AppRunner | None = None

    def inject(
        self, fault: Fault, times: int = 1, when: Callable[[Mapping[str, Any]], bool] | None = None
    ) -> None:
        """Let the next `times` message requests (for whose body `when` holds) meet the fault."""
        self._injected.append(_Injected(fault, times, when))

    def clear_faults(self) -> None:
        """Forget every injected fault."""
        self._injected.clear()

    @property
    def asked(self) -> list[Entry]:
        """Return the message requests that were answered without an error."""
        return [e for e in self.journal if e.path == "/v1/messages" and e.usage is not None]

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._runner is not None:
            await self._runner.cleanup()

    def take_fault(self, turn: Turn | None, body: Mapping[str, Any], digest: str) -> Fault | None:
        """Return the fault that this arrival meets: an injected one first, then the turn's own."""
        for waiting in self._injected:
            if waiting.times > 0 and (waiting.when is None or waiting.when(body)):
                waiting.times -= 1
                return waiting.fault
        arrival = self._arrivals.get(digest, 0)
        if turn is not None and arrival < len(turn.faults):
            self._arrivals[digest] = arrival + 1
            return turn.faults[arrival]
        return None


async def start(
    plays: Script,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    api_key: str = "stand-in-key",
    clock: Callable[[], float] = time.monotonic,
) -> Running:
    """Return a stand-in that listens; port 0 takes a free one. `clock` (seconds) ages the prompt cache."""
    running = Running("", plays, api_key, cache.Cache(clock, plays.minimum_cache_tokens))
    app = web.Application(client_max_size=BODY_LIMIT + 1024)
    app.router.add_post("/v1/messages", _handler(running, _messages))
    app.router.add_post("/v1/messages/count_tokens", _handler(running, _count))
    app.router.add_get("/v1/models", _handler(running, _models))
    app.router.add_get("/v1/models/{id}", _handler(running, _model))
    app.router.add_route("*", "/{rest:.*}", _handler(running, _nowhere))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound = runner.addresses[0][1]
    running.url = f"http://{host}:{bound}"
    running._runner = runner  # noqa: SLF001 - the same module
    return running


Route = Callable[[Running, web.Request, Entry], Awaitable[web.StreamResponse]]


def _handler(running: Running, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await _answer(running, request, route)

    return handle


async def _answer(running: Running, request: web.Request, route: Route) -> web.StreamResponse:
    raw = await request.read()
    headers = {name.lower(): value for name, value in request.headers.items()}
    number = f"req_{len(running.journal) + 1:024d}"
    entry = Entry(request.method, request.path, headers, raw, None, number)
    running.journal.append(entry)
    try:
        _admit(running, headers, len(raw))
        response = await route(running, request, entry)
    except ApiError as error:
        out = {"request-id": number, **error.headers}
        response = web.json_response(error.body(number), status=error.status, headers=out)
    entry.status = response.status
    return response


def _admit(running: Running, headers: Mapping[str, str], size: int) -> None:
    if size > BODY_LIMIT:
        raise ApiError(413, "Request exceeds the maximum size")
    given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), running.api_key.encode()):
        raise ApiError(401, "invalid x-api-key" if given else "x-api-key header is required")
    if "anthropic-version" not in headers:
        raise invalid("anthropic-version: header is required")


def _parsed(running: Running, entry: Entry, *, counting: bool = False) -> dict[str, Any]:
    try:
        entry.body = json.loads(entry.raw)
    except ValueError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    betas = {name.strip() for name in entry.headers.get("anthropic-beta", "").split(",")}
    requests.check(entry.body, betas, running.script.max_output_tokens, counting=counting)
    body: dict[str, Any] = entry.body
    if not catalogue.knows(body["model"]):
        raise ApiError(404, f"model: {body['model']}")
    return body


async def _messages(running: Running, request: web.Request, entry: Entry) -> web.StreamResponse:
    body = await asyncio.to_thread(_parsed, running, entry)
    links = binding.chain(body)
    conversation = Conversation(body, binding.read_compaction(links_first(body)))
    play = running.script.find(conversation)
    turn = script.choose(play, conversation) if play and not body.get("compaction") else None
    fault = running.take_fault(turn, body, links[-1].digest)
    entry.fault = fault.kind if fault else None
    _refuse(fault)
    if play is None:
        raise invalid(
            f"the script has no play for a conversation that opens with: {conversation.opening[:200]!r}"
        )
    size = sum(link.tokens for link in links)
    if size > running.script.context_tokens:
        raise requests.too_long(size, running.script.context_tokens)
    figures = running.cache.look_up(body["model"], links, body.get("cache_control"))
    if body.get("compaction"):
        number = running.script.plays.index(play)
        block = binding.compaction_block(links[-1].digest, conversation.turns_taken, number, play.summary)
        answer = answers.compaction(block, body["model"], links, figures)
    elif turn is None:
        raise invalid(_missing(conversation))
    else:
        _prefill(body, play, conversation)
        answer = answers.message(turn, body["model"], links, figures)
    entry.usage = answer.message["usage"]
    head = {"request-id": entry.request_id}
    if not body.get("stream"):
        return web.json_response(answer.message, headers=head)
    return await send(request, answer, fault, turn.delay if turn else 0.0, head)


def links_first(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the first block of the first message."""
    return (binding.blocks(body["messages"][0]["content"]) or [{}])[0]


def _missing(conversation: Conversation) -> str:
    if conversation.wants_structure:
        return "the script has no `tests` for this play's request for structured output"
    return f"the script has no turn number {conversation.turns_taken} for this play"


def _prefill(body: Mapping[str, Any], play: script.Play, conversation: Conversation) -> None:
    """Refuse a request that ends with an assistant message, unless it resumes a paused turn."""
    if body["messages"][-1]["role"] != "assistant":
        return
    before = play.turns[conversation.turns_taken - 1] if conversation.turns_taken else None
    if not (isinstance(before, Turn) and before.ending == "pause_turn"):
        raise invalid("This model does not support assistant message prefill.")


def _refuse(fault: Fault | None) -> None:
    status = (
        {"overloaded": 529, "rate_limited": 429, "error": fault.status}.get(fault.kind) if fault else None
    )
    if fault is None or status is None:
        return
    words = {"overloaded": "Overloaded", "rate_limited": "This request would exceed your rate limit."}
    headers = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
    message = fault.message or words.get(fault.kind, "Internal server error")
    raise ApiError(status, message, kind=fault.error_type, code=fault.error_code, headers=headers)


async def _count(running: Running, _request: web.Request, entry: Entry) -> web.StreamResponse:
    body = _parsed(running, entry, counting=True)
    tokens = sum(link.tokens for link in binding.chain(body))
    return web.json_response({"input_tokens": tokens}, headers={"request-id": entry.request_id})


async def _models(running: Running, _request: web.Request, entry: Entry) -> web.StreamResponse:
    limits = (running.script.context_tokens, running.script.max_output_tokens)
    data = [catalogue.entry(name, *limits) for name in catalogue.NAMES]
    page = {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}
    return web.json_response(page, headers={"request-id": entry.request_id})


async def _model(running: Running, request: web.Request, entry: Entry) -> web.StreamResponse:
    name = request.match_info["id"]
    if not catalogue.knows(name):
        raise ApiError(404, f"model: {name}")
    found = catalogue.entry(name, running.script.context_tokens, running.script.max_output_tokens)
    return web.json_response(found, headers={"request-id": entry.request_id})


async def _nowhere(_running: Running, _request: web.Request, _entry: Entry) -> web.StreamResponse:
    raise ApiError(404, "Not Found")
