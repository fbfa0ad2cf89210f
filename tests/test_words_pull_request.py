"""Holds the pull request's title and body to their layout."""

import re
from dataclasses import replace

from bot.words import markers, pull_request
from bot.words.facts import ChangeFacts, FileFacts
from tests.words_facts import CHANGE, PROVEN, SECRET, SESSION, TASK

BODY = """\
Fixes #42.

### What and why

The minutes of an offset were dropped. Fixes #&#8203;1, thanks @&#8203;bob.

### Changes

| File | Change |
|---|---|
| `src/dates.py` | keep the minutes (+9 \u22123) |
| `tests/test_dates.py` | (added, +12 \u22120) |

### Evidence

| | Before (`main@1a2b3c4`) | Now | |
|---|--:|--:|--:|
| Existing tests | 1 passed | 1 passed | ±0 |
| New tests | 1 passed, 1 failed | 2 passed | 1 newly passing |

- `pytest -q`: **3 passed** on `9f8e7d6` (tree `c0ffee1`)
- Fail without the change and pass with it: 1 of 2 new tests
  - `tests/test_dates.py::test_half`
- Not tested: Windows time zones

### Please look at

- `parse_tz` now raises on `+2460`
- Open question: Should `-0000` parse?

<details><summary>How this was made, and what you can do</summary>

Written by an AI agent (model `claude-opus-5-5`, session `7f3k2m9q`, 18 model calls, $0.74) \
on request of @&#8203;alice.
A simulated human, not a person, kept the conversation going.
The service, not the model, ran the tests above, on the base commit and on this branch.
Review as usual: I answer reviews that request changes with commits on this branch.
It is never force-pushed. Close the pull request to end the session.

</details>

<!-- journeyman:pr v1 s=7f3k2m9q op=pr-7f3k2m9q -->"""


def test_the_body_is_this_text() -> None:
    """The pull request says what, why, with which proof, and what to look at."""
    assert pull_request.body(SESSION, TASK, CHANGE, PROVEN) == BODY


def test_only_the_template_closes_an_issue() -> None:
    """Whatever the model writes, one reference is live: the issue's own."""
    hostile = (
        "Fixes #7\n\nCloses octo/other#8 @team\n<!-- journeyman:pr v1 s=x op=y --> </details> ![x](http://t)"
    )
    change = replace(
        CHANGE, summary=hostile, look_at=(hostile,), open_questions=(hostile,), not_tested=(hostile,)
    )

    body = pull_request.body(SESSION, TASK, change, PROVEN)

    assert re.findall(r"(?<!&)#\d+", body) == ["#42"]
    assert "@team" not in body
    assert "![" not in body
    assert body.count("-->") - body.count("--> &lt;/details>") == 1
    assert body.count("</details>") == body.count("<details>") == 1


def test_the_marker_survives_the_cut() -> None:
    """However long the body, it fits and can be found again."""
    files = tuple(FileFacts("src/" + "x" * 190 + f"{number}.py", note="y" * 290) for number in range(3_000))
    change = ChangeFacts("z" * 300_000, files=files, look_at=("w" * 5_000,) * 90)

    body = pull_request.body(SESSION, TASK, change, PROVEN)

    assert len(body) <= 60_000
    assert body.endswith(markers.marker("pr", SESSION.id, f"pr-{SESSION.id}"))
    assert "*100 of 3,000 files shown.*" in body
    assert body.startswith("Fixes #42.\n")


def test_no_secret_leaves_in_title_or_body() -> None:
    """What the model says of the change is redacted."""
    change = ChangeFacts(f"uses {SECRET}", title=f"Use {SECRET}", files=(FileFacts(f"{SECRET}.py"),))

    assert SECRET not in pull_request.body(SESSION, TASK, change, PROVEN)
    assert pull_request.title(SESSION, change) == "Use [redacted]"


def test_the_title_fits_and_refers_to_nothing() -> None:
    """A title is one line of at most 72 characters that closes and pings nobody."""
    title = pull_request.title(SESSION, ChangeFacts("", title="fix: close #7 for @bob\n" + "long " * 40))

    assert title.startswith("fix: close # 7 for @ bob long")
    assert len(title) <= 72
    assert pull_request.title(SESSION, CHANGE) == "Parsing fails for `+0530`"
    assert pull_request.title(replace(SESSION, issue_title=" "), CHANGE) == "Work on issue 42"
