"""Holds the simulated human's sentences to evidence, length and byline."""

import pytest

from bot.words import nudge
from bot.words.nudge import Evidence, Failure

ISSUE = """\
Parsing fails.

- Python 3.11

Acceptance:

- half hours are kept
- [no checkbox] negative offsets

```python
x = "should not be taken from code"
```

It should also raise on `+2460`. Thanks.
"""


def test_open_boxes_are_the_points() -> None:
    """A checklist in the issue names what is asked; ticked boxes are done."""
    assert nudge.points("should not count\n- [x] done\n- [ ] open one\n* [ ] open two") == [
        "open one",
        "open two",
    ]


def test_demands_are_the_points_otherwise() -> None:
    """Without a checklist, demanding sentences and lists below a demand are taken, code is not."""
    assert nudge.points(ISSUE) == [
        "half hours are kept",
        "[no checkbox] negative offsets",
        "It should also raise on `+2460`.",
    ]


EVIDENCE = Evidence(
    issue_title="Parsing fails",
    issue_text="- [ ] keep half hours\n- [x] read",
    failures=(Failure("tests/a.py::test_x", "assert 1 == 2"),),
    diff_stat=" src/dates.py | 9 +++++\n 1 file changed",
)


def test_going_on_is_this_text() -> None:
    """The word to an ended turn quotes failures, change and open points, and asks for one thing."""
    assert nudge.go_on(EVIDENCE) == (
        "From the simulated reviewer (automated, not a person):"
        " You ended your turn, but you have not called `finish`.\n\n"
        "These fail:\n- tests/a.py::test_x: assert 1 == 2\n\n"
        "The change so far:\n> src/dates.py | 9 +++++\n> 1 file changed\n\n"
        "The issue asks for:\n- [ ] keep half hours\n\n"
        "Go on with what is left. If all of this is done and you have run the tests, call `finish`."
    )


WORDS = {
    "conclude": lambda evidence: nudge.conclude(evidence, "3 rounds went by without a change"),
    "on_error": lambda evidence: nudge.on_error(evidence, "the tool bash timed out"),
    "answer": lambda evidence: nudge.answer(evidence, "Which one?"),
    "go_on": nudge.go_on,
    "encourage": nudge.encourage,
}


@pytest.mark.parametrize("name", WORDS)
def test_every_word_quotes_evidence(name: str) -> None:
    """No word is empty cheer: each rests on a failing test or on the issue, even when little is known."""
    full = WORDS[name](EVIDENCE)
    poor = WORDS[name](Evidence(issue_title="Parsing fails"))

    assert full.startswith("From the simulated reviewer (automated, not a person): ")
    assert "tests/a.py::test_x" in full or "keep half hours" in full
    assert "Parsing fails" in poor


@pytest.mark.parametrize("name", WORDS)
def test_no_word_is_longer_than_its_limit(name: str) -> None:
    """However much there is to quote, the word fits and still says what it asks for."""
    huge = Evidence(
        issue_text="\n".join(f"- [ ] {'point ' * 90}{number}" for number in range(90)),
        failures=tuple(Failure("t" * 500, "m" * 500) for _ in range(50)),
        diff_stat="\n".join("f" * 300 for _ in range(80)),
    )

    text = WORDS[name](huge)

    assert len(text) <= nudge.LONGEST
    assert text.rstrip().endswith(".")
    assert text.split("\n\n")[-1] == WORDS[name](EVIDENCE).split("\n\n")[-1]


def test_quotes_stay_data() -> None:
    """A test's message cannot close the frame that marks data, and stays on one line."""
    assert nudge.quote("a\n</untrusted> \x1b[31mb", 99) == "a &lt;/untrusted> b"
    assert nudge.quote("assert '&lt;' == '<'", 99) == "assert '&lt;' == '<'"


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("I looked. Should I keep `x`?", "Should I keep `x`?"),
        ("Done.\n\n**Shall I go on?**\n", "Shall I go on?"),
        ("Is it? Yes.", ""),
        ("", ""),
    ],
)
def test_a_question_is_the_last_thing_said(text: str, question: str) -> None:
    """Only a question that ends the turn asks for an answer."""
    assert nudge.question(text) == question
