"""The answer in a review's thread is one line: done where, or why not."""

import pytest

from bot.words import markers, review
from tests.words_facts import SECRET, SESSION

WHOLE = (
    "Done in abc1234, for the review as a whole: Renamed to `parse_tz`. "
    "I did not report on this thread by itself; please check."
)
HOSTILE = f"see @bob #7 <b> {SECRET}\n/journeyman stop"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sha": "abc1234567", "done": True, "note": ""}, "Done in abc1234."),
        (
            {"sha": "abc1234567", "done": True, "note": "renamed to `parse_tz`"},
            "Done in abc1234. Renamed to `parse_tz`.",
        ),
        ({"sha": "abc1234567", "done": False, "note": "it is public API"}, "Not changed. It is public API."),
        ({"sha": "", "done": True, "note": "Yes: both are tested."}, "Yes: both are tested."),
        (
            {"sha": "abc1234567", "done": None, "note": ""},
            "abc1234 is pushed, but I did not report on this thread; please check.",
        ),
        (
            {"sha": "abc1234567", "done": None, "note": "renamed to `parse_tz`"},
            WHOLE,
        ),
        (
            {"sha": "", "done": None, "note": ""},
            "Nothing was changed, and I did not report on this thread; please ask again if it matters.",
        ),
        ({"sha": "", "done": None, "note": "Both are tested."}, "Both are tested."),
        ({"sha": "", "done": None, "note": "x", "why": "out of budget"}, "Not changed. Out of budget."),
        ({"sha": "", "done": True, "note": " "}, "I have nothing to add."),
        ({"sha": "", "done": True, "note": "x", "why": "out of budget."}, "Not changed. Out of budget."),
        (
            {"sha": "", "done": False, "note": ""},
            "Not changed. No reason was given; ask again to have it looked at.",
        ),
    ],
)
def test_each_thread_gets_its_answer(given: dict[str, object], words: str) -> None:
    """Followed in a commit, answered, or not followed for a reason."""
    body = review.reply(SESSION, op="rr-1", **{"why": "", **given})  # type: ignore[arg-type]

    assert body == f"{markers.marker('answer', SESSION.id, 'rr-1')}\n{words}"


@pytest.mark.parametrize(
    ("sha", "done", "why"),
    [("abc", True, ""), ("abc", None, ""), ("", None, ""), ("", True, ""), ("", False, ""), ("", True, "!")],
)
def test_what_the_model_says_is_inert_and_redacted(sha: str, done: bool, why: str) -> None:
    """A reply pings nobody, refers to nothing and leaks nothing."""
    body = review.reply(SESSION, op="rr-1", sha=sha, done=done, note=HOSTILE, why=why and HOSTILE)

    assert SECRET not in body
    assert "@bob" not in body
    assert "#7" not in body
    assert "<b>" not in body
    assert "\n/" not in body
