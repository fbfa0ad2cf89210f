"""Holds the status comment to its layout."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.words import markers, status
from bot.words.facts import Event
from storage.words import PausedBy, Reason, TaskState
from tests.words_facts import PROVEN, SECRET, SESSION, START, TASK

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

<sub>Remove the label <code>journeyman</code> or close the issue to stop.</sub>"""

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

<sub>To try again, take the label <code>journeyman</code> off the issue and add it again.</sub>"""


def test_a_working_task_shows_where_it_stands() -> None:
    """The status comment of a running task is this text."""
    assert status.comment(SESSION, TASK) == WORKING


def test_a_done_task_folds_its_numbers_away() -> None:
    """The status comment of a completed task is this text."""
    task = replace(TASK, state=TaskState.COMPLETED, pull_request=57, pushed=True)

    assert status.comment(SESSION, task, PROVEN) == DONE


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": TaskState.PENDING, "queue_position": 4}, "Queued (position 4)"),
        ({"state": TaskState.TESTING}, "Testing · 2 of 3"),
        ({"state": TaskState.PAUSED, "paused_by": PausedBy.PERSON}, "Paused"),
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


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_gives_a_comment_of_ours(reason: Reason) -> None:
    """Whatever the reason, the comment can be found again and shows its cause."""
    task = replace(TASK, state=TaskState.FAILED, reason=reason, detail="The disk is full.")

    body = status.comment(SESSION, task)

    assert markers.has_marker(body, "status", SESSION.id)
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


def test_nothing_links_to_this_server_unless_it_has_an_address() -> None:
    """Only a public address turns the session into a link."""
    body = status.comment(replace(SESSION, public_url="https://bot.example/"), TASK)

    assert "[`7f3k2m9q`](https://bot.example/s/7f3k2m9q)" in body
