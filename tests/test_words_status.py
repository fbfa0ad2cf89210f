"""Holds the status comment to its layout."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.words import markers, status
from bot.words.facts import Event
from storage.words import PausedBy, Reason, TaskKind, TaskState
from tests.words_facts import PROVEN, SECRET, SESSION, START, TASK

NAMED = replace(SESSION, slug="acme-bot")

WORKING = """\
<!-- journeyman:status v1 s=7f3k2m9q op=st-7f3k2m9q -->
### <span aria-hidden="true">🟢</span> Working · 2 of 3 · 4 min 12 s

| | |
|---|---|
| Session | `7f3k2m9q` · asked for by @&#8203;alice with label `journeyman` |
| Branch | `journeyman/issue-42-parsing-fails-for-0530` from `main@1a2b3c4` |
| Budget | $0.74 of $5.00 · 4 min 12 s of 1 h |
| Conversation | round 2 of 20 · 18 model calls of 200 · simulated human 1 of 5 |
| Model | `claude-opus-5-5` |
| Updated | 2026-11-22 14:03:27 UTC |

- [x] Read the issue and the repository
- [ ] **Implement** — editing `src/dates.py`
- [ ] Prove it

Editing `src/dates.py`

<details><summary>What happened so far (1)</summary>

- `13:59:15` accepted, sandbox ready

</details>

<sub>`/journeyman stop` · `/journeyman status` · `/journeyman help` \
— or mention `@acme-bot` with guidance.</sub>"""

DONE = """\
<!-- journeyman:status v1 s=7f3k2m9q op=st-7f3k2m9q -->
### <span aria-hidden="true">✅</span> Done in 4 min 12 s · PR #57 · 3 tests pass

<details><summary>Numbers</summary>

| | |
|---|---|
| Session | `7f3k2m9q` · asked for by @&#8203;alice with label `journeyman` |
| Branch | [`journeyman/issue-42-parsing-fails-for-0530`]\
(https://github.com/octo/dates/tree/journeyman/issue-42-parsing-fails-for-0530) from `main@1a2b3c4` |
| Budget | $0.74 of $5.00 · 4 min 12 s of 1 h |
| Conversation | round 2 of 20 · 18 model calls of 200 · simulated human 1 of 5 |
| Model | `claude-opus-5-5` |
| Tests | 3 passed (run 2) |
| Updated | 2026-11-22 14:03:27 UTC |

</details>

<details><summary>What happened so far (1)</summary>

- `13:59:15` accepted, sandbox ready

</details>

<sub>To have it changed, review #57, or mention `@acme-bot` there. · `/journeyman help`</sub>"""


def test_a_working_task_shows_where_it_stands() -> None:
    """The status comment of a running task is this text."""
    assert status.comment(NAMED, TASK) == WORKING


def test_a_done_task_folds_its_numbers_away() -> None:
    """The status comment of a completed task is this text."""
    task = replace(TASK, state=TaskState.COMPLETED, pull_request=57, pushed=True)

    assert status.comment(NAMED, task, PROVEN) == DONE


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": TaskState.PENDING, "queue_position": 4}, "Queued (position 4)"),
        ({"state": TaskState.TESTING}, "Testing · 2 of 3"),
        ({"paused_by_login": "bob"}, "Working, pausing after this step for @&#8203;bob · 2 of 3"),
        ({"state": TaskState.TESTING, "paused_by_login": "bob"}, "Testing, pausing after this step"),
        ({"state": TaskState.PAUSED, "paused_by": PausedBy.PERSON}, "Paused · 2 of 3"),
        (
            {"state": TaskState.PAUSED, "paused_by": PausedBy.PERSON, "paused_by_login": "bob"},
            "Paused by @&#8203;bob · 2 of 3",
        ),
        ({"state": TaskState.COMPLETED, "pull_request": 57, "pull_state": "open"}, "Done in 4 min"),
        ({"state": TaskState.COMPLETED, "pull_request": 57, "pull_state": "merged"}, "Merged · PR #57"),
        ({"state": TaskState.CANCELLED, "pull_request": 57, "pull_state": "closed"}, "Closed · PR #57"),
        ({"state": TaskState.RUNNING, "pull_request": 57, "pull_state": "merged"}, "Working"),
        ({"state": TaskState.PAUSED, "paused_by": PausedBy.MODEL_OUTAGE}, "Waiting for the model provider"),
        ({"state": TaskState.PAUSED, "paused_by": PausedBy.SIMULATED_HUMAN}, "(automatic, not a person)"),
        ({"waiting_for": "GitHub", "waiting_until": START}, "Waiting for GitHub until 13:59 UTC"),
        ({"state": TaskState.CANCELLED, "cancelled_by": "bob"}, "Stopped by @&#8203;bob"),
        ({"state": TaskState.FAILED, "reason": Reason.OUT_OF_BUDGET}, "Out of budget · after 4 min 12 s"),
        ({"state": TaskState.FAILED, "reason": Reason.BLOCKED}, "Blocked"),
        ({"state": TaskState.FAILED, "reason": None}, "Failed"),
    ],
)
def test_each_state_has_its_words(changes: dict[str, object], words: str) -> None:
    """Every state is named in words, never by an emoji alone."""
    assert words in status.headline(SESSION, replace(TASK, **changes))  # type: ignore[arg-type]


def test_the_time_is_that_of_the_moment_and_stands_still_at_the_end() -> None:
    """Whoever looks again sees it go on, in the headline and the table, until the task has ended."""
    later = replace(TASK, shown_at=START + timedelta(seconds=300))
    said = status.comment(SESSION, later)
    assert said.count("5 min") == 2
    assert "4 min" not in said
    ended = replace(later, state=TaskState.COMPLETED, finished_at=START + timedelta(seconds=250))
    assert "Done in 4 min 10 s" in status.comment(SESSION, ended)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_gives_a_comment_of_ours(reason: Reason) -> None:
    """Whatever the reason, the comment can be found again and shows its cause."""
    task = replace(TASK, state=TaskState.FAILED, reason=reason, detail="The disk is full.")

    body = status.comment(SESSION, task)

    assert markers.begins(body, markers.marker("status", SESSION.id, f"st-{SESSION.id}"))
    assert "The disk is full." in body


def test_facts_from_elsewhere_are_inert_and_redacted() -> None:
    """Progress, events and causes come from the model and the world."""
    task = replace(
        TASK,
        progress=f"@alice <b> {SECRET}",
        events=(Event(START, f"#7 @bob {SECRET}"),),
        requester="mallory --> @root",
    )

    body = status.comment(SESSION, task)

    assert SECRET not in body
    assert "@alice" not in body
    assert "@bob" not in body
    assert "<b>" not in body
    assert "#7" not in body
    assert body.count("-->") == 1


def test_many_events_are_shown_in_part_and_it_says_so() -> None:
    """The newest events are shown, with both numbers."""
    events = tuple(Event(START + timedelta(seconds=number), f"event {number}") for number in range(80))

    body = status.comment(SESSION, replace(TASK, events=events))

    assert "What happened so far (the last 30 of 80)" in body
    assert "event 79" in body
    assert "event 49" not in body


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "asked for by @&#8203;alice with label `journeyman`"),
        ({"asked_how": "by `/journeyman run`"}, "asked for by @&#8203;alice by `/journeyman run`"),
        (
            {"attempt": 2, "kind": TaskKind.FOLLOW_UP, "asked_how": "by a review"},
            "attempt 2, follow-up · asked for by @&#8203;alice by a review",
        ),
        ({"kind": TaskKind.RETEST, "asked_how": "@x"}, "tests again · asked for by @&#8203;alice @&#8203;x"),
    ],
)
def test_it_says_which_piece_of_work_it_is(changes: dict[str, object], expected: str) -> None:
    """The attempt, its kind, who asked for it and how."""
    assert f"| Session | `7f3k2m9q` · {expected} |" in status.comment(SESSION, replace(TASK, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"state": TaskState.PAUSED, "paused_by": PausedBy.PERSON},
            "`/journeyman resume` · `/journeyman stop` · `/journeyman status` · `/journeyman help` \
— or mention `@acme-bot` with guidance.",
        ),
        (
            {"state": TaskState.FAILED, "reason": Reason.TIMEOUT},
            "`/journeyman retry` · `/journeyman help` — to try again, mention `@acme-bot` with guidance, \
or take the label `journeyman` off the issue and add it again.",
        ),
        (
            {"state": TaskState.COMPLETED, "pull_request": 57, "pull_state": "merged"},
            "For something more, open a new issue.",
        ),
        (
            {"state": TaskState.CANCELLED, "pull_request": 57, "pull_state": "closed"},
            "Reopen the pull request to go on; `/journeyman run` or the label `journeyman` starts anew.",
        ),
    ],
)
def test_the_small_print_says_what_can_be_said_now(changes: dict[str, object], expected: str) -> None:
    """Each state has its commands, and the App's name stands in code, where it notifies nobody."""
    body = status.comment(NAMED, replace(TASK, **changes))  # type: ignore[arg-type]

    assert body.split("\n")[-1] == f"<sub>{expected}</sub>"


def test_nothing_links_to_this_server_unless_it_has_an_address() -> None:
    """Only a public address turns the session into a link."""
    body = status.comment(replace(SESSION, public_url="https://bot.example/"), TASK)

    assert "[`7f3k2m9q`](https://bot.example/s/7f3k2m9q)" in body
