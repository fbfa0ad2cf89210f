"""Answer as another author's stand-in for Claude: to the letter of the documentation, with other habits."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Block = Mapping[str, Any]


def text(said: str) -> Block:
    """Return a block of text."""
    return {"type": "text", "text": said}


def call(number: int, name: str, **given: Any) -> Block:
    """Return a tool call; its id is none that Anthropic would make."""
    return {"type": "tool_use", "id": f"call-{number}", "name": name, "input": given}


@dataclass
class ForeignClaude:
    """Says its answers one after the other, then the last one for ever; `tests` answers what has no tools."""

    answers: Sequence[Sequence[Block]]
    tests: str | tuple[int, str]
    streams: bool = True
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request for a message."""
        body = await request.json()
        self.bodies.append(body)
        if not body.get("tools"):
            if isinstance(self.tests, tuple):
                status, words = self.tests
                error = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
                return web.json_response(error, status=status)
            return await self._say(request, body, [text(self.tests)])
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        return await self._say(request, body, self.answers[min(turn, len(self.answers) - 1)])

    async def _say(
        self, request: web.Request, body: Mapping[str, Any], blocks: Sequence[Block]
    ) -> web.StreamResponse:
        reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
        message = {
            "id": "1", "type": "message", "role": "assistant", "model": "emulated-1", "content": [*blocks],
            "stop_reason": reason, "stop_sequence": None, "usage": {"input_tokens": 0, "output_tokens": 0},
        }  # fmt: skip
        if not (self.streams and body.get("stream")):
            return web.json_response(message)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in _events(message):
            await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        await response.write_eof()
        return response


def _events(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"type": "ping"}]
    found.append({"type": "message_start", "message": {**message, "content": [], "stop_reason": None}})
    for index, block in enumerate(message["content"]):
        tool = block["type"] == "tool_use"
        start = {**block, **({"input": {}} if tool else {"text": ""})}
        found.append({"type": "content_block_start", "index": index, "content_block": start})
        whole = json.dumps(block["input"]) if tool else block["text"]
        if whole not in {"", "{}"}:  # a call without input has no delta at all
            name, kind = ("partial_json", "input_json_delta") if tool else ("text", "text_delta")
            found.append(
                {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: whole}}
            )
        found += [{"type": "ping"}, {"type": "content_block_stop", "index": index}]
    told = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    found.append({"type": "message_delta", "delta": told, "usage": {"output_tokens": 0}})
    return [*found, {"type": "message_stop"}]


@contextlib.asynccontextmanager
async def serving(
    answers: Sequence[Sequence[Block]], tests: str | tuple[int, str], *, streams: bool = True
) -> AsyncIterator[ForeignClaude]:
    """Serve such a Claude on loopback."""
    foreign = ForeignClaude(answers, tests, streams)
    app = web.Application(client_max_size=32 << 20)
    app.router.add_post("/v1/messages", foreign.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    foreign.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield foreign
    finally:
        await runner.cleanup()
