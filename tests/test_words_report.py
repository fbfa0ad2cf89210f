"""Holds the test report to its layout."""

from dataclasses import replace

from bot.words import report
from bot.words.facts import CaseFacts
from tests.words_facts import FAILED, NEW, OLD, PASSED, PROVEN, SECRET, SESSION

REPORT = """\
<!-- journeyman:tests v1 s=7f3k2m9q op=tr-7f3k2m9q -->
### <span aria-hidden="true">❌</span> Tests: 1 passed, 2 failed, 1 missing, 1 flaky · \
`9f8e7d6` · run 2 · 41 s

| | Before (`main@1a2b3c4`) | Now | |
|---|--:|--:|--:|
| Existing tests | 2 passed, 1 failed, 1 flaky | 2 failed, 1 missing, 1 flaky | \
**2 no longer passing** |
| New tests | 1 failed | 1 passed | 1 newly passing |

**Failing**

| Test | Reason | Before |
|---|---|---|
| `tests/a.py::test_broken` | <code>assert 1 &#124; 2</code> | passed |
| `tests/a.py::test_gone` | missing | passed |
| `tests/a.py::test_ill` | failed | failed |

<details><summary>Output of <code>tests/a.py::test&#95;broken</code></summary>

````text
E assert
```
````

</details>

<details><summary>All 5 tests</summary>

| Test | Before | Now | |
|---|---|---|---|
| `tests/a.py::test_new` <sup>new</sup> | failed | passed | could not be loaded on the base commit |
| `tests/a.py::test_broken` | passed | failed |  |
| `tests/a.py::test_flaky` | passed | failed | flaky: differs from run to run, not counted |
| `tests/a.py::test_gone` | passed | missing |  |
| `tests/a.py::test_ill` | failed | failed |  |

</details>

Command: `pytest -q` in Python 3.11 without network."""

MIXED = replace(
    PROVEN,
    cases=(
        CaseFacts("tests/a.py::test_new", NEW, FAILED, PASSED, error=True),
        CaseFacts(
            "tests/a.py::test_broken", OLD, PASSED, FAILED, reason="assert 1 | 2", output="E assert\n```"
        ),
        CaseFacts("tests/a.py::test_gone", OLD, PASSED, None),
        CaseFacts("tests/a.py::test_ill", OLD, FAILED, FAILED),
        CaseFacts("tests/a.py::test_flaky", OLD, PASSED, FAILED, flaky=True),
    ),
)


def test_a_run_with_everything_in_it_is_this_text() -> None:
    """Broken, missing, ill before, flaky and new tests each have their place."""
    assert report.comment(SESSION, MIXED) == REPORT


def test_what_failed_before_is_not_held_against_the_change() -> None:
    """Only what the change broke, lost or failed to bring stands in its way."""
    assert [case.name for case in MIXED.failing] == ["tests/a.py::test_broken", "tests/a.py::test_gone"]
    assert [case.name for case in MIXED.failing_before] == ["tests/a.py::test_ill"]


def test_a_flaky_test_is_neither_a_pass_nor_a_failure() -> None:
    """What differs from run to run proves nothing."""
    flaky = replace(PROVEN, cases=(CaseFacts("a", NEW, FAILED, PASSED, flaky=True),))

    assert not flaky.detecting
    assert not flaky.now_passing
    assert report.proof(SESSION, flaky) == ["- There are no new tests."]


def test_a_new_test_that_passes_on_the_base_commit_is_marked() -> None:
    """A test that passes without the change does not detect the fault, and the report says so."""
    assert "does not detect the bug: passes without the change too" in report.comment(SESSION, PROVEN)


def test_the_proof_names_the_tests_that_fail_without_the_change() -> None:
    """The pull request shows which new tests carry the proof."""
    assert report.proof(SESSION, PROVEN) == [
        "- Fail without the change and pass with it: 1 of 2 new tests",
        "  - `tests/test_dates.py::test_half`",
    ]


def test_twelve_hundred_failures_fit_with_honest_numbers() -> None:
    """A huge run is cut by rows, each cut says how many of how many are shown, and it still fits."""
    cases = tuple(
        CaseFacts(f"tests/test_{number:04}.py::test_x", OLD, PASSED, FAILED, output="line\n" * 200)
        for number in range(1_200)
    )

    body = report.comment(SESSION, replace(PROVEN, cases=cases))

    assert len(body) <= 60_000
    assert "*30 of 1,200 failing tests shown.*" in body
    assert "*10 of 1,200 outputs shown.*" in body
    assert "*40 of 200 lines shown" in body
    assert "*500 of 1,200 tests shown.*" in body


def test_test_names_and_outputs_are_redacted_and_inert() -> None:
    """A test's name and output are written by the repository and the model."""
    case = CaseFacts(
        f"t.py::a|b`<b>@x[{SECRET}]", OLD, PASSED, FAILED, reason=SECRET, output=SECRET, note="@bob"
    )

    body = report.comment(SESSION, replace(PROVEN, cases=(case,)))

    assert SECRET not in body
    assert "<b>" not in body
    assert "@bob" not in body
    assert "@x" not in body
