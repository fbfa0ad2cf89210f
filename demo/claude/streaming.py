"""Send an answer as server-sent events, with the fault that a script wants in the middle of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from demo.claude import answers
from demo.claude.answers import Answer
from demo.claude.script import Fault


async def send(
    request: web.Request, answer: Answer, fault: Fault | None, delay: float, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Return the finished stream; a fault strikes after its number of events."""
    response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream; charset=utf-8"})
    response.headers["Cache-Control"] = "no-cache"
    await response.prepare(request)
    pause = fault.seconds if fault and fault.kind == "slow" else delay
    for number, event in enumerate(answers.events(answer)):
        if fault is not None and number == fault.after_events:
            over = await _strike(request, response, fault)
            if over:
                return response
        if pause:
            await asyncio.sleep(pause)
        await response.write(line(event))
    await response.write_eof()
    return response


def line(event: Mapping[str, Any]) -> bytes:
    """Return an event as it goes over the wire."""
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


async def _strike(request: web.Request, response: web.StreamResponse, fault: Fault) -> bool:
    """Return whether the stream ends here."""
    if fault.kind == "cut":
        if request.transport is not None:
            request.transport.abort()
        return True
    if fault.kind == "stall":
        await asyncio.sleep(fault.seconds)
        return False
    if fault.kind == "error_event":
        error = {"type": fault.error_type or "overloaded_error", "message": fault.message or "Overloaded"}
        await response.write(line({"type": "error", "error": error}))
    if fault.kind == "garbled":
        await response.write(b'event: content_block_delta\ndata: {"type": "content_bl\x00\n\n')
    if fault.kind in ("error_event", "garbled", "truncated"):
        await response.write_eof()
        return True
    return False
