"""Holds the last word to honesty and to six lines."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.words import final
from bot.words.facts import CaseFacts
from storage.words import Reason, TaskKind, TaskState
from tests.words_facts import FAILED, OLD, PASSED, PROVEN, SECRET, SESSION, TASK

DONE = """\
<!-- journeyman:final v1 s=7f3k2m9q op=fin-t1 -->
@alice done: #57 is ready for review, with 2 new tests, 1 failing without the change; 3 tests pass. \
4 min 12 s, $0.74. [Conversation](https://github.com/octo/dates/issues/42#issuecomment-1)"""

OUT_OF_BUDGET = """\
<!-- journeyman:final v1 s=7f3k2m9q op=fin-t1 -->
@alice I stopped: out of budget ($5.00), with 1 of 4 tests failing. The last call would have cost more.
The work so far is on [`journeyman/issue-42-parsing-fails-for-0530`]\
(https://github.com/octo/dates/tree/journeyman/issue-42-parsing-fails-for-0530). 4 min 12 s, $0.74.
Continue with `/journeyman retry budget=10`, narrow the issue, or take the branch over. \
(Or take the label `journeyman` off and add it again.)"""

FOLLOWED_UP = """\
<!-- journeyman:final v1 s=7f3k2m9q op=fin-t1 -->
@alice done: new commits on #57 (now at `9f8e7d6`), with 2 new tests, 1 failing without the change; \
3 tests pass. 4 min 12 s, $0.74."""

ANSWERED = """\
<!-- journeyman:final v1 s=7f3k2m9q op=fin-t1 -->
@alice done: answered; #57 needed no change. 4 min 12 s, $0.74.

Floats lose cents.

Open questions:

- Round up?"""

EXPLAINED = """\
<!-- journeyman:final v1 s=7f3k2m9q op=fin-t1 -->
@alice I stopped: the conversation ended without a change.
Nothing was pushed. 4 min 12 s, $0.74.
Mention `@acme-bot` with what is missing, or try again with `/journeyman retry`. \
(Or take the label `journeyman` off and add it again.)

What I found:

`+0530` is read already, since 2.1."""

RETESTED = """\
<!-- journeyman:final v1 s=7f3k2m9q op=fin-t1 -->
@alice the tests ran again on `9f8e7d6`: 3 passed. 4 min 12 s, $0.74."""

NOT_PROVEN = """\
<!-- journeyman:final v1 s=7f3k2m9q op=fin-t1 -->
@alice the tests ran again on `9f8e7d6`: 3 passed, 1 failed. Not proven: tests fail with my change, \
with 1 of 4 tests failing.
4 min 12 s, $0.74.
Mention `@acme-bot` with what the failing tests should expect, or try again with `/journeyman retry`."""


def test_success_names_the_pull_request_and_its_proof() -> None:
    """The final comment of a completed task is this text."""
    log = "https://github.com/octo/dates/issues/42#issuecomment-1"
    task = replace(TASK, state=TaskState.COMPLETED, pull_request=57, log_url=log)

    assert final.comment(SESSION, task, PROVEN) == DONE


def test_failure_names_cause_remains_and_next_step() -> None:
    """The final comment of a task out of budget is this text."""
    tests = replace(PROVEN, cases=(*PROVEN.cases, CaseFacts("t.py::x", OLD, PASSED, FAILED)))
    task = replace(
        TASK,
        state=TaskState.FAILED,
        reason=Reason.OUT_OF_BUDGET,
        pushed=True,
        detail="the last call would have cost more",
        cap_usd=Decimal(20),
    )

    assert final.comment(SESSION, task, tests) == OUT_OF_BUDGET


@pytest.mark.parametrize(
    ("budget", "cap", "asks"),
    [
        ("5.00", None, "5"),
        ("5.00", "5.00", "5"),
        ("5", "8.50", "8.5"),
        ("2.50", "100", "5"),
        ("900", "5000", "1000"),
    ],
)
def test_a_retry_asks_for_no_more_than_it_can_get(budget: str, cap: str | None, asks: str) -> None:
    """The command to copy is one that the host grants."""
    task = replace(
        TASK,
        state=TaskState.FAILED,
        reason=Reason.OUT_OF_BUDGET,
        budget_usd=Decimal(budget),
        cap_usd=Decimal(cap) if cap else None,
    )

    assert f"`/journeyman retry budget={asks}`" in final.comment(SESSION, task)


def test_a_spent_day_is_not_the_task_s_budget() -> None:
    """When the repository's cap of the day is reached, that is said, and when it begins anew."""
    task = replace(
        TASK,
        state=TaskState.FAILED,
        reason=Reason.OUT_OF_BUDGET,
        capped_by_day=True,
        day_budget_usd=Decimal(50),
    )

    body = final.comment(SESSION, task)

    assert "this repository's daily budget of $50.00 is spent." in body
    assert body.endswith("It begins anew at 00:00 UTC. Then continue with `/journeyman retry`.")
    assert "budget=" not in body


def test_a_follow_up_names_what_came_to_the_pull_request() -> None:
    """The final comment of a follow-up is this text."""
    task = replace(TASK, state=TaskState.COMPLETED, kind=TaskKind.FOLLOW_UP, pull_request=57)

    assert final.comment(SESSION, task, PROVEN) == FOLLOWED_UP


def test_the_answer_to_a_question_is_in_the_last_word() -> None:
    """It is what the person asked for; the final comment of such a follow-up is this text."""
    said = "Floats lose cents.\n\nOpen questions:\n\n- Round up?"
    task = replace(
        TASK, state=TaskState.COMPLETED, kind=TaskKind.FOLLOW_UP, pull_request=57, answered=True, answer=said
    )

    assert final.comment(SESSION, task) == ANSWERED
    assert final.comment(SESSION, replace(task, answer="")) == ANSWERED.partition("\n\n")[0]


def test_why_nothing_was_changed_is_in_the_last_word() -> None:
    """Claude's own reason says more than that the files are as they were."""
    task = replace(
        TASK,
        state=TaskState.FAILED,
        reason=Reason.NO_CHANGES,
        detail="Nothing was changed. The files are as they were at the start.",
        answer="`+0530` is read already, since 2.1.",
    )

    assert final.comment(replace(SESSION, slug="acme-bot"), task) == EXPLAINED


@pytest.mark.parametrize("state", [TaskState.COMPLETED, TaskState.FAILED])
def test_an_answer_is_inert_redacted_and_bounded(state: TaskState) -> None:
    """It pings nobody, obeys nobody, leaks nothing, and what is left out is said."""
    task = replace(
        TASK,
        state=state,
        reason=Reason.NO_CHANGES if state is TaskState.FAILED else None,
        pull_request=57,
        answered=True,
        answer=f"see @bob #7 {SECRET} <!-- x\n/journeyman stop\n```\n" + "long\n" * 2_000,
    )

    body = final.comment(SESSION, task)

    assert len(body) < 2_500
    assert "characters shown.*" in body
    assert body.count("```") == 2
    assert SECRET not in body
    assert "@bob" not in body
    assert "#7" not in body
    assert "\n/journeyman" not in body
    assert body.count("<!--") == 1


def test_a_retest_tells_what_the_tests_said() -> None:
    """The final comments of a retest are these texts."""
    session = replace(SESSION, slug="acme-bot")
    task = replace(TASK, state=TaskState.COMPLETED, kind=TaskKind.RETEST, pull_request=57)
    tests = replace(PROVEN, cases=(*PROVEN.cases, CaseFacts("t.py::x", OLD, PASSED, FAILED)))
    failed = replace(task, state=TaskState.FAILED, reason=Reason.TESTS_FAILED)

    assert final.comment(session, task, PROVEN) == RETESTED
    assert final.comment(session, failed, tests) == NOT_PROVEN


def test_a_task_ended_by_its_pull_request_says_how_to_go_on() -> None:
    """After a merge there is nothing to retry; a closed pull request can be opened again."""
    task = replace(TASK, state=TaskState.CANCELLED, cancelled_by="bob", pull_request=57)

    assert "with that this session has ended" in final.comment(SESSION, replace(task, pull_state="merged"))
    assert "Reopen the pull request" in final.comment(SESSION, replace(task, pull_state="closed"))
    assert "`/journeyman retry`" in final.comment(SESSION, replace(task, pull_state="open"))


@pytest.mark.parametrize(("pushed", "first"), [(False, "reopen the issue; then"), (True, "To go on: ")])
def test_what_a_closed_issue_stopped_begins_again_when_it_is_open(pushed: bool, first: str) -> None:
    """A retry without any code would be blocked until then; one that goes on with code is not."""
    task = replace(
        TASK, state=TaskState.CANCELLED, cancelled_by="bob", pushed=pushed, detail="closed the issue"
    )
    assert f"{first}" in final.comment(SESSION, task)
    assert "`/journeyman retry`, or add the label `journeyman` again." in final.comment(SESSION, task)
    assert "reopen" not in final.comment(SESSION, replace(task, detail="removed the label"))


@pytest.mark.parametrize("pushed", [True, False])
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_an_honest_ending(reason: Reason, pushed: bool) -> None:
    """Each reason ends in six lines at most: one mention, the cause, what was kept, what to do."""
    task = replace(
        TASK, state=TaskState.FAILED, reason=reason, pushed=pushed, detail=f"see @bob\n#7 {SECRET}"
    )

    body = final.comment(SESSION, task)

    assert len(body.split("\n")) <= 6
    assert body.count("@alice") == 1
    assert ("The work so far is on [`journeyman/" in body) is pushed
    assert ("Nothing was pushed." in body) is not pushed
    assert "`/journeyman retry" in body
    assert "add it again.)" in body
    assert SECRET not in body
    assert "@bob" not in body
    assert "#7" not in body


def test_each_reason_has_its_own_cause() -> None:
    """No two reasons are told alike."""
    causes = {final.cause(SESSION, replace(TASK, state=TaskState.FAILED, reason=reason)) for reason in Reason}

    assert len(causes) == len(Reason)


def test_who_stopped_it_is_not_notified_but_the_requester_is() -> None:
    """A stop by someone else reaches the requester; one's own stop notifies nobody."""
    task = replace(TASK, state=TaskState.CANCELLED, cancelled_by="bob")

    assert "@alice stopped by @&#8203;bob." in final.comment(SESSION, task)
    own = final.comment(SESSION, replace(task, cancelled_by="alice"))
    assert "@alice" not in own
    assert "Stopped by @&#8203;alice." in own


def test_everyone_who_asked_hears_of_it() -> None:
    """Each once, whoever stopped it aside; of many the first five, and it says so."""
    task = replace(TASK, state=TaskState.COMPLETED, pull_request=57, joined=("bob", "cid"))
    assert "\n@alice @bob @cid done: " in final.comment(SESSION, task)
    stopped = replace(task, state=TaskState.CANCELLED, cancelled_by="bob")
    assert "\n@alice @cid stopped by " in final.comment(SESSION, stopped)
    many = replace(task, joined=tuple(f"m{number}" for number in range(9)))
    assert "\n@alice @m0 @m1 @m2 @m3 (and 5 more) done: " in final.comment(SESSION, many)


def test_an_unknown_requester_is_not_named() -> None:
    """Where nobody is known nobody is mentioned."""
    body = final.comment(SESSION, replace(TASK, state=TaskState.FAILED, reason=Reason.ERROR, requester=""))

    assert "\nI stopped: something failed on my side.\n" in body


def test_a_refusal_says_what_is_needed() -> None:
    """A person without the role learns the role, without being notified."""
    body = final.not_allowed(SESSION, login="mallory", needs="write", has="read", op="ref-1")

    assert "needs **write** access to start work here" in body
    assert "(and has **read**)" in body
    assert "@mallory" not in body
