"""Ask Claude once: one streamed request becomes one finished answer, or one failure with its meaning."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import aiohttp
import anthropic
import httpx2
import structlog

from bot.claude import caching, failures
from bot.claude import usage as usages
from bot.claude.streamed import Assembly
from bot.claude.usage import Usage

log = structlog.get_logger(__name__)

API_URL = "https://api.anthropic.com"
WHOLE_SECONDS = 600.0  # how long an answer that doesn't stream may keep silent
COMPACTION_BETA = "compact-2026-09-04"


@dataclass(frozen=True)
class Question:
    """What is asked of the model; `messages` is the history as kept, without breakpoints."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    max_tokens: int
    system: str = ""
    tools: Sequence[Mapping[str, Any]] = ()
    schema: Mapping[str, Any] | None = None  # a JSON schema makes the answer structured output
    effort: str | None = None  # low, medium, high, xhigh, max; None leaves it to the API
    summarize: str | None = None  # set (also to ""): a compaction request with these instructions

    def parameters(self) -> dict[str, Any]:
        """Return the keyword arguments of the SDK's `messages.create`, breakpoints placed."""
        sent: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "messages": caching.moving_tail(self.messages),
        }
        if self.system:
            sent["system"] = caching.frozen_system(self.system)
        if self.tools:
            sent["tools"] = caching.frozen_tools(self.tools)
        output: dict[str, Any] = {"effort": self.effort} if self.effort else {}
        if self.schema is not None:
            output["format"] = {"type": "json_schema", "schema": dict(self.schema)}
        if output:
            sent["output_config"] = output
        if self.summarize is not None:
            instructions = {"instructions": self.summarize} if self.summarize.strip() else {}
            sent["extra_body"] = {"compaction": {"type": "summarize", **instructions}}
        if self.summarize is not None or _holds_compaction(self.messages):
            sent["extra_headers"] = {"anthropic-beta": COMPACTION_BETA}
        return sent


@dataclass(frozen=True)
class Call:
    """One tool call of an answer; `whole` is False when its input was cut or is no JSON object."""

    id: str
    name: str
    input: Mapping[str, Any]
    whole: bool = True


@dataclass(frozen=True)
class Answer:
    """One finished answer.

    `message` goes into the history as it is: thinking blocks kept, even empty ones; only blank text
    blocks are left out, which the API refuses to take back. Its content may be empty: then there is
    nothing to append. `usage` is in tokens. `model` is the name that the API answered with; prices go
    by the model that was asked for.
    """

    message: Mapping[str, Any]
    stop_reason: str | None
    usage: Usage
    request_id: str | None
    model: str
    calls: tuple[Call, ...] = field(default=())
    stop_details: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        """Return what the answer says, its text blocks joined by blank lines."""
        return "\n\n".join(b["text"] for b in self.message["content"] if b.get("type") == "text")

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to append to the history."""
        return not self.message["content"]


class Asker(Protocol):
    """What answers questions: the connection itself, or one that minds the cost."""

    async def ask(self, question: Question) -> Answer:
        """Return the answer to one request."""


class Claude:
    """The connection to the Claude API; one per process, closed with `close`."""

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str | None = None,
        idle_seconds: float = 300.0,
        total_seconds: float = 1800.0,
        connect_seconds: float = 10.0,
        connections: int = 1000,
    ) -> None:
        """Take the key, the address (None: Anthropic's own) and the limits of one call in seconds.

        `idle_seconds` bounds the time between two chunks, `total_seconds` the whole answer. Nothing is
        taken from ANTHROPIC_* variables.
        """
        timeout = httpx2.Timeout(idle_seconds, connect=connect_seconds)
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=100)
        self._total_seconds = total_seconds
        self._whole_timeout = httpx2.Timeout(max(idle_seconds, WHOLE_SECONDS), connect=connect_seconds)
        self._client = anthropic.AsyncAnthropic(
            api_key=api_key,
            base_url=base_url or API_URL,
            max_retries=0,
            timeout=timeout,
            open_telemetry=False,
            http_client=anthropic.DefaultAioHttpClient(timeout=timeout, limits=limits),
        )
        self._client._custom_headers = {}  # noqa: SLF001 - drops what ANTHROPIC_CUSTOM_HEADERS put there

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def ask(self, question: Question) -> Answer:
        """Return the answer to one request, made once; retries are the caller's business.

        Raises failures.Unavailable (also Overloaded, Interrupted) for what may work later,
        failures.Credentials, Billing and UnknownModel for what a person must change,
        failures.PromptTooLong when the history must be compacted, failures.Rejected when the request is
        wrong. A stream that breaks off after it began raises Interrupted with the tokens spent.
        """
        assembly = Assembly()
        try:
            async with asyncio.timeout(self._total_seconds):
                await self._stream(question, assembly)
            return _finished(assembly)
        except anthropic.APIStatusError as error:
            raise _in_stream(error, assembly) from error
        except (anthropic.APIError, httpx2.HTTPError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _broken(error, assembly) from error
        except (ValueError, AssertionError, LookupError, TypeError, AttributeError) as error:
            # What the SDK and we raise when a chunk is no JSON, no event, or an event out of order. Before
            # there is an answer it is our own request that can't be built: that must not look like an outage.
            if not assembly.answered and not isinstance(error, json.JSONDecodeError):
                raise
            raise _broken(error, assembly) from error

    async def _stream(self, question: Question, assembly: Assembly) -> None:
        create = cast("Any", self._client.messages.create)
        if question.summarize is not None:
            # The SDK's stream events have no place for a compaction block's signature.
            whole = await create(**question.parameters(), timeout=self._whole_timeout)
            assembly.answered = True
            assembly.request_id = whole._request_id  # noqa: SLF001 - the SDK's documented name for it
            assembly.take(whole.to_dict(warnings=False))
            return
        stream = await create(**question.parameters(), stream=True)
        assembly.answered = True
        assembly.request_id = stream.response.headers.get("request-id")
        async with stream:
            if stream.response.headers.get("content-type", "").startswith("application/json"):
                # A gateway that can't stream answers the same question whole.
                told = json.loads(await stream.response.aread())
                if isinstance(told, dict) and told.get("type") == "message":
                    assembly.take(told)
                return
            async for event in stream:
                assembly.add(event)

    async def reach(self, model: str) -> str:
        """Return the model's display name: a free way to try key, address and model.

        Raises the same failures as `ask`.
        """
        try:
            found = await self._client.models.retrieve(model)
        except anthropic.APIStatusError as error:
            raise failures.of_status(error) from error
        except (anthropic.APIError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise failures.Unavailable(f"The Claude API can't be reached: {_words(error)}") from error
        return str(found.display_name)


def _finished(assembly: Assembly) -> Answer:
    if not assembly.begun:
        raise failures.Unavailable("The Claude API answered without a message; is the base URL right?")
    if not assembly.ended:
        raise failures.Interrupted("The answer of the Claude API ended too early.", assembly.spent())
    content, calls = assembly.content()
    answer = Answer(
        message={"role": "assistant", "content": content},
        stop_reason=assembly.stop_reason,
        usage=usages.read(assembly.usage),
        request_id=assembly.request_id,
        model=assembly.model,
        calls=tuple(Call(*call) for call in calls),
        stop_details=assembly.stop_details,
    )
    log.debug("claude.answered", stop_reason=answer.stop_reason, request_id=answer.request_id)
    return answer


def _in_stream(error: anthropic.APIStatusError, assembly: Assembly) -> Exception:
    """Return the failure of an error answer, or of an error event within a stream that had begun."""
    failure = failures.of_status(error)
    if assembly.begun and isinstance(failure, failures.Unavailable):
        return failures.Interrupted(str(failure), assembly.spent())
    return failure


def _broken(error: Exception, assembly: Assembly) -> Exception:
    if assembly.begun:
        sentence = f"The answer of the Claude API broke off: {_words(error)}"
        return failures.Interrupted(sentence, assembly.spent())
    return failures.Unavailable(f"The Claude API can't be reached: {_words(error)}")


def _words(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) and error.__cause__ else error
    if isinstance(error, json.JSONDecodeError):
        return "a chunk that is not JSON"
    return f"{type(cause).__name__}: {cause}".strip(": ")[:300]


def _holds_compaction(messages: Sequence[Mapping[str, Any]]) -> bool:
    content = messages[0]["content"] if messages else ""
    return not isinstance(content, str) and any(block.get("type") == "compaction" for block in content)
