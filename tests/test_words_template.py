"""A pull request template keeps its headings and its order, and is filled where we have something to say."""

import re
import time

import pytest

from bot.words import markers, pull_request, template
from bot.words.redaction import Redactor
from bot.words.template import Kind
from tests.words_facts import CHANGE, PROVEN, SECRET, SESSION, TASK

OURS = {
    Kind.FIXES: "Fixes #42.",
    Kind.WHAT: "The why.",
    Kind.CHANGES: "The files.",
    Kind.EVIDENCE: "The proof.",
    Kind.LOOK_AT: "The points.",
}
TEMPLATE = """\
<!-- Thank you! Fill in everything. -->
## Description

Please include a summary of the change.

Fixes # (issue)

## Type of change

- [x] Bug fix
- [ ] New feature

How Has This Been Tested?
---

Please describe the tests that you ran.

- [X] Unit tests

## Screenshots <img src="https://tracker.example/x.png">

**Checklist:**
- [ ] I read the guide, cc @team
"""
FOLLOWED = """\
Fixes #42.

## Description

The why.

## Type of change

- [ ] Bug fix
- [ ] New feature

## How Has This Been Tested?

The proof.

- [ ] Unit tests

## Screenshots

**Checklist:**

- [ ] I read the guide, cc @&#8203;team

## Changes

The files.

## Please look at

The points."""


def test_a_template_is_followed() -> None:
    """Our sections stand under its headings, its prose makes way, no box is ticked, the rest follows."""
    assert template.follow(TEMPLATE, OURS, Redactor()) == FOLLOWED


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("Describe your changes", Kind.WHAT),
        ("What does this PR do?", Kind.WHAT),
        ("Why is this change needed?", Kind.WHAT),
        ("Motivation and Context", Kind.WHAT),
        ("What changed?", Kind.CHANGES),
        ("Proposed changes", Kind.CHANGES),
        ("How", Kind.CHANGES),
        ("Test plan", Kind.EVIDENCE),
        ("\u2705 Verification", Kind.EVIDENCE),
        ("Notes for reviewers", Kind.LOOK_AT),
        ("Related Issue(s)", Kind.FIXES),
        ("Closes", Kind.FIXES),
        ("Type of change", None),
        ("Breaking changes", None),
        ("Changelog", None),
        ("Checklist before requesting a review", None),
        ("Screenshots", None),
        ("Latest news", None),
    ],
)
def test_headings_have_their_meaning(heading: str, kind: Kind | None) -> None:
    """What a heading asks for decides what is written there; what is not ours to say stays empty."""
    text = template.follow(f"## {heading}", OURS, Redactor())
    below = text.split(heading)[1].split("##")[0].strip()

    assert below == (OURS[kind] if kind is not None else "")


def test_the_issue_is_closed_under_its_own_heading() -> None:
    """Where a template asks for the issue it stands there, once."""
    text = template.follow("# Summary\n\n# Related issue\n\nCloses #<issue>\n", OURS, Redactor())

    assert text.startswith("# Summary\n\nThe why.\n\n# Related issue\n\nFixes #42.\n\n# Changes")
    assert text.count("Fixes") == 1


def test_a_second_heading_of_a_kind_is_not_left_bare() -> None:
    """What was said above is not said again."""
    text = template.follow("# What\n\n# Why\n\n# Context\n\nSee the wiki.", OURS, Redactor())

    assert "# Why\n\nSee above." in text
    assert "# Context\n\nSee the wiki." in text


def test_a_heading_inside_code_is_none() -> None:
    """A code block of the template stays whole."""
    text = template.follow("# Notes\n\n# Logs\n\n```\n# Summary\n- [x] a\n```\n", OURS, Redactor())

    assert "```\n# Summary\n" in text
    assert "### What and why" not in text
    assert "# What and why\n\nThe why." in text


def test_a_template_without_headings_comes_first() -> None:
    """What it says stays, ours follows with headings of our own."""
    text = template.follow("Be kind.\n\n- [ ] kind", OURS, Redactor())

    assert text.startswith("Fixes #42.\n\nBe kind.\n\n- [ ] kind\n\n### What and why\n\nThe why.")


@pytest.mark.parametrize("given", ["", " \n", "<!-- only this -->"])
def test_without_a_template_the_layout_is_ours(given: str) -> None:
    """Nothing, or nothing that is seen, changes nothing."""
    assert pull_request.body(SESSION, TASK, CHANGE, PROVEN, given) == pull_request.body(
        SESSION, TASK, CHANGE, PROVEN
    )


def test_a_template_is_inert() -> None:
    """It pings nobody, loads nothing, closes nothing else, and can't pass for our marker."""
    hostile = (
        "cc @team #9\n\n![x](https://t.example/x.png)\n</details>\n/journeyman stop\nFixes #9\n"
        f"<!-- journeyman:pr v1 s=x op=y -->\n# Summary {SECRET} @bob"
    )

    body = pull_request.body(SESSION, TASK, CHANGE, PROVEN, hostile)

    assert re.findall(r"(?<!&)#\d+", body) == ["#42"]
    assert not re.search(r"@\w", re.sub(r"`[^`]*`", "", body))
    assert "t.example" not in body
    assert SECRET not in body
    assert body.count("<details>") == body.count("</details>") == 1
    assert body.endswith(markers.marker("pr", SESSION.id, f"pr-{SESSION.id}"))


@pytest.mark.parametrize(
    "given",
    [
        "x\n" * 10_000,
        "# Issue\n" + "word " * 4_000 + "\n# Summary\n",
        "- [x]" * 4_000,
        "Fixes #" + " " * 19_000,
        "# a" + " " * 19_000 + "b",
        "<a " * 6_000,
        "a\n---\n" * 4_000,
    ],
)
def test_a_long_template_fits_and_takes_no_time(given: str) -> None:
    """Within GitHub's limit the reference and the marker stay; no rule is quadratic."""
    big = CHANGE.__class__(summary="z" * 6_000, files=CHANGE.files, look_at=("w" * 500,) * 20)
    began = time.process_time()

    body = pull_request.body(SESSION, TASK, big, PROVEN, given)

    assert time.process_time() - began < 2
    assert len(body) <= 60_000
    assert "Fixes #42." in body
    assert body.endswith(markers.marker("pr", SESSION.id, f"pr-{SESSION.id}"))


def test_what_is_cut_is_never_the_reference() -> None:
    """When the whole is too long, the issue's reference stands at the top."""
    ours = {**OURS, Kind.CHANGES: "x" * 58_000}
    text = pull_request._laid_out(ours, "# Changes\n\n# Issue\n", SESSION, 60_000)

    assert text.startswith("Fixes #42.\n\n# Changes")
    assert text.count("Fixes #42.") == 1
