"""Tokens as the API reports them."""

from bot.claude import usage
from bot.claude.usage import Usage


def test_cache_writes_are_split_by_lifetime() -> None:
    """What isn't told to live an hour lives five minutes; nulls and absences are zero."""
    told = {
        "input_tokens": 3,
        "output_tokens": 4,
        "cache_creation_input_tokens": 100,
        "cache_creation": {"ephemeral_1h_input_tokens": 30, "ephemeral_5m_input_tokens": 70},
        "cache_read_input_tokens": None,
    }
    assert usage.read(told) == Usage(input=3, output=4, cache_write_5m=70, cache_write_1h=30)
    assert usage.read({"cache_creation_input_tokens": 9}) == Usage(cache_write_5m=9)
    assert usage.read({}) == Usage()


def test_compaction_is_counted_beside_the_top_level() -> None:
    """Iterations of type compaction are added, the others are already in the top-level figures."""
    told = {
        "input_tokens": 10,
        "iterations": [
            {"type": "compaction", "input_tokens": 1000, "output_tokens": 50},
            {"type": "message", "input_tokens": 10},
        ],
    }
    assert usage.read(told) == Usage(input=1010, output=50)


def test_usage_adds_up_and_survives_storing() -> None:
    """Sums go figure by figure; plain figures make the same Usage again."""
    one = Usage(1, 2, 3, 4, 5)
    assert one + one == Usage(2, 4, 6, 8, 10)
    assert Usage(**one.as_dict()) == one
    assert (one.prompt, one.total) == (13, 15)
