"""Holds branch names and commit messages to what git and GitHub make of them."""

import subprocess
from dataclasses import replace

import pytest

from bot.words import branch
from bot.words.facts import ChangeFacts
from storage.words import TaskKind
from tests.words_facts import CHANGE, SECRET, SESSION, TASK


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Date parsing fails for `+0530`", "date-parsing-fails-for-0530"),
        ("It doesn't work: ../../etc & @{-1}.lock~^:?*[", "it-doesnt-work-etc-1-lock"),
        ("Ünïcödé Straße", "unicode-strae"),
        ("日本語", ""),
        ("word " * 40, "word-word-word-word-word-word-word-word"),
        ("x" * 300, "x" * 40),
    ],
)
def test_a_slug_is_short_and_plain(title: str, slug: str) -> None:
    """Any title becomes a few words of ASCII, cut between words."""
    assert branch.slug(title) == slug
    name = branch.name(replace(SESSION, issue_title=title))
    assert subprocess.run(["git", "check-ref-format", "--branch", name], check=False).returncode == 0


def test_names_count_the_sessions_of_an_issue() -> None:
    """The first session has the bare name, later ones a number; an id stands in for a missing issue."""
    assert branch.name(SESSION) == "journeyman/issue-42-parsing-fails-for-0530"
    assert branch.name(SESSION, 2) == "journeyman/issue-42-parsing-fails-for-0530-2"
    assert branch.name(replace(SESSION, issue_title="日本")) == "journeyman/issue-42"
    assert branch.name(replace(SESSION, issue_number=None)).startswith("journeyman/session-7f3k2m9q-")
    assert SECRET not in branch.name(replace(SESSION, issue_title=SECRET))


def test_a_commit_message_is_this_text() -> None:
    """Subject, summary, session and co-author; nothing that GitHub acts on."""
    assert branch.commit_message(SESSION, TASK, CHANGE) == (
        "Parsing fails for `+0530`\n\n"
        "The minutes of an offset were dropped. Fixes # 1, thanks @ bob.\n\n"
        "Journeyman-Session: 7f3k2m9q\n"
        "Co-authored-by: alice <9+alice@users.noreply.github.com>\n"
    )


@pytest.mark.parametrize(
    ("summary", "subject", "whole"),
    [
        ("Rounds half up, as asked.", "Rounds half up, as asked", True),
        ("## Rounds e.g. half up. Fixes #1:\n\nMore.", "Rounds e.g. half up. Fixes # 1", False),
        (
            "Rounds half up, e.g. 0.5 to 1. " + "It is what people expect of money. " * 3,
            "Rounds half up, e.g. 0.5 to 1",
            False,
        ),
        ("word " * 40, f"{'word ' * 14}w…", False),
        (" \n", "Follow up: Parsing fails for `+0530`", True),
    ],
)
def test_a_follow_up_says_what_it_did(summary: str, subject: str, *, whole: bool) -> None:
    """Its summary's first line or sentence is the subject, bounded; where that is all, no body is."""
    task = replace(TASK, kind=TaskKind.FOLLOW_UP)
    said, *body, _ = branch.commit_message(SESSION, task, ChangeFacts(summary)).split("\n\n")
    assert (said, body == []) == (subject, whole)
    assert len(said) <= 72


@pytest.mark.parametrize("kind", [TaskKind.IMPLEMENT, TaskKind.FOLLOW_UP])
@pytest.mark.parametrize("start", ["x\n\n", "", "[skip ci] "])
def test_the_model_cannot_write_trailers_or_skip_checks(kind: TaskKind, start: str) -> None:
    """Trailers of the summary are broken, checks are not skipped, secrets are gone."""
    change = ChangeFacts(
        f"{start}Co-authored-by: Root <root@x>\n[skip ci] {SECRET}\nSigned-off-by: y", title="[ci skip] t"
    )

    message = branch.commit_message(SESSION, replace(TASK, requester_id=None, kind=kind), change)

    assert "-by:" not in message
    assert "[skip ci]" not in message
    assert "[ci skip]" not in message
    assert SECRET not in message
    assert message.endswith("\n\nJourneyman-Session: 7f3k2m9q\n")
