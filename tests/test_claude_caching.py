"""Where cache breakpoints stand."""

import copy
from typing import Any

from bot.claude import caching


def marks(messages: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [
        (n, k)
        for n, message in enumerate(messages)
        if not isinstance(message["content"], str)
        for k, block in enumerate(message["content"])
        if "cache_control" in block
    ]


def text(word: str) -> dict[str, Any]:
    return {"type": "text", "text": word}


def test_the_tail_is_marked_and_so_is_the_last_requests_tail() -> None:
    """One mark at the end, one where the end was before the last answer."""
    history = [
        {"role": "user", "content": [text("a"), text("b")]},
        {"role": "assistant", "content": [text("c")]},
        {"role": "user", "content": [text("d")]},
        {"role": "assistant", "content": [text("e")]},
        {"role": "user", "content": [text("f"), text("g")]},
    ]
    assert marks(caching.moving_tail(history)) == [(2, 0), (4, 1)]
    assert marks(caching.moving_tail(history[:1])) == [(0, 1)]


def test_no_mark_lands_on_thinking_or_an_empty_message() -> None:
    """A tail that ends in thinking is marked before it."""
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [text("b"), {"type": "thinking", "thinking": "", "signature": "x"}]},
    ]
    assert marks(caching.moving_tail(history)) == [(0, 0), (1, 0)]
    only = [{"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "x"}]}]
    assert marks(caching.moving_tail(only)) == []
    assert caching.moving_tail([]) == []


def test_history_itself_is_left_alone() -> None:
    """Marking copies: the kept history never carries a breakpoint."""
    history = [{"role": "user", "content": [text("a")]}, {"role": "assistant", "content": "b"}]
    before = copy.deepcopy(history)
    caching.moving_tail(history)
    assert history == before
    tools = ({"name": "t"},)
    assert caching.frozen_tools(tools)[0]["cache_control"]
    assert tools == ({"name": "t"},)


def test_there_are_never_more_than_four_breakpoints() -> None:
    """Tools, system and two in the messages make the four that are allowed."""
    history = [{"role": role, "content": "x"} for _ in range(9) for role in ("user", "assistant")]
    frozen = [*caching.frozen_tools([{"name": "a"}, {"name": "b"}]), *caching.frozen_system("s")]
    assert len(marks(caching.moving_tail(history))) + sum("cache_control" in block for block in frozen) == 4
    assert caching.frozen_system("  ") == []
    assert caching.frozen_tools([]) == []
