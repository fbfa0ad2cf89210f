"""The estimate of a prompt's size."""

from bot.claude import size
from bot.claude.size import Anchor

HISTORY = [{"role": "user", "content": "x" * 3000}, {"role": "assistant", "content": "y" * 300}]


def test_without_an_anchor_everything_is_counted() -> None:
    """A token for every three bytes, umlauts by their bytes, and a share for the tools."""
    bare = size.prompt("", (), HISTORY)
    assert 1100 <= bare <= 1160
    assert size.prompt("s" * 300, (), HISTORY) >= bare + 100
    assert size.prompt("", ({"name": "bash"},), HISTORY) >= bare + size.TOOL_TOKENS
    assert size.prompt("", (), [{"role": "user", "content": "ü" * 3000}]) >= 2000


def test_with_an_anchor_only_the_rest_is_estimated() -> None:
    """What the API told is taken as it is; an anchor that doesn't fit the history is not used."""
    longer = [*HISTORY, {"role": "user", "content": "z" * 300}]
    assert 40_100 <= size.prompt("s" * 9000, (), longer, Anchor(2, 40_000)) <= 40_130
    assert size.prompt("", (), HISTORY, Anchor(2, 40_000)) == 40_000
    assert size.prompt("", (), HISTORY, Anchor(3, 40_000)) == size.prompt("", (), HISTORY)


def test_a_service_that_does_not_count_is_not_believed() -> None:
    """An emulator that reports no tokens doesn't make the next prompt look free."""
    assert size.prompt("", (), HISTORY, Anchor(2, 0)) >= 270
