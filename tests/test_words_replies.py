"""An answer quotes what was said, says how things stand in a few lines, and names the next step."""

import re

import pytest

from bot.words import help_table, markers, replies
from bot.words.redaction import Redactor
from bot.words.replies import Here, Part
from storage.words import PausedBy, Reason, TaskState
from tests.words_facts import SECRET

SECRETS = Redactor.knowing([SECRET])
NONE = Here(secrets=SECRETS, slug="acme-bot")
HERE = {
    "none": NONE,
    "queued": Here(slug="acme-bot", issue=42, status=TaskState.PENDING, status_url="https://g.example/1"),
    "running": Here(slug="acme-bot", issue=42, status=TaskState.RUNNING, status_url="https://g.example/1"),
    "testing": Here(slug="acme-bot", issue=42, status=TaskState.TESTING),
    "paused": Here(slug="acme-bot", status=TaskState.PAUSED, paused_by=PausedBy.PERSON),
    "outage": Here(slug="acme-bot", status=TaskState.PAUSED, paused_by=PausedBy.MODEL_OUTAGE),
    "done": Here(slug="acme-bot", issue=42, pull=57, status=TaskState.COMPLETED),
    "stopped": Here(slug="acme-bot", issue=42, status=TaskState.CANCELLED),
    "failed": Here(slug="acme-bot", issue=42, status=TaskState.FAILED, reason=Reason.OUT_OF_BUDGET),
    "merged": Here(slug="acme-bot", issue=42, pull=57, status=TaskState.COMPLETED, pull_state="merged"),
    "closed": Here(slug="acme-bot", issue=42, pull=57, status=TaskState.CANCELLED, pull_state="closed"),
    "stopping": Here(slug="acme-bot", issue=42, status=TaskState.RUNNING, stopping=True),
    "merged, stopping": Here(pull=57, status=TaskState.RUNNING, pull_state="merged", stopping=True),
    "shut": Here(slug="acme-bot", issue=42, status=TaskState.CANCELLED, issue_closed=True),
    "shut, stopping": Here(issue=42, status=TaskState.RUNNING, issue_closed=True, stopping=True),
}
SEVERAL = """\
<!-- journeyman:reply v1 s=s1 op=re-7 -->
> /journeyman stpo

Unknown command `stpo`. Did you mean `/journeyman stop`? See `/journeyman help`.

> /journeyman resume

Nothing to resume: I am at work here ([status](https://g.example/1)).
Mention `@acme-bot` to guide it; `/journeyman stop` ends it.

I read the first five commands of a comment; 1 more was left out."""

HELP = """\
| Command | Who | What it does |
|---|---|---|
| `/journeyman run` | write role | start on an issue, as the label `fix-me` does; `model=` `budget=` \
`proof=` |
| `/journeyman stop` | write role, requester | stop within 10 s; the conversation and the branch stay |
| `/journeyman pause` · `resume` | write role, requester | rest after the present step · go on |
| `@acme-bot` and free text | triage role | guide the work, or change its result |
| `/journeyman retry` | write role | try again; `from=plan`, `from=code` or `from=tests`, `budget=` `proof=` |
| `/journeyman test` | triage role | test what was pushed once more |
| `/journeyman status` | anyone | bring the status comment up to date |
| `/journeyman config` | write role | show the configuration in force |
| `/journeyman help` | anyone | show this |

At the start of a line, for example `/journeyman run budget=2` · `/journeyman retry from=tests` · \
`@acme-bot stop` · `@acme-bot keep the old name as an alias`."""


def test_several_outcomes_are_one_comment() -> None:
    """Each line is quoted above what came of it, and the marker makes the comment ours."""
    unknown = replies.misread(SECRETS, kind="command", unknown="stpo", word="", suggestion="stop", allowed=())
    parts = [
        Part(unknown, "/journeyman stpo"),
        Part(replies.nothing_to_resume(HERE["running"]), "/journeyman resume"),
    ]

    body = replies.reply("re-7", "s1", parts, SECRETS, left_out=1)

    assert body == SEVERAL
    assert markers.begins(body, markers.marker("reply", "s1", "re-7"))


def test_help_is_this_table() -> None:
    """Command, who and what, in twelve lines at most, with the App's own name and label."""
    assert help_table.table("acme-bot", "fix-me", SECRETS) == HELP
    assert HELP.partition("\n\n")[0].count("\n") < 12
    assert replies.help_(Here(slug="acme-bot", label="fix-me")) == HELP


def test_help_without_a_name_speaks_of_no_mention() -> None:
    """Where the App has no name, nobody is told to mention it; other least roles are named."""
    text = help_table.table("", "a|b `c`", SECRETS, run="admin", steer="write")

    assert "@" not in text
    assert "| admin role, requester |" in text
    assert {line.count("|") for line in text.split("\n\n")[0].split("\n")} == {4}


@pytest.mark.parametrize("name", [name for name in replies.STANDING if name != "help"])
@pytest.mark.parametrize("state", HERE)
def test_every_answer_is_short_and_names_a_next_step(name: str, state: str) -> None:
    """In every state of a task: four lines at most, no live mention, and something to do."""
    text = replies.STANDING[name](HERE[state])

    assert len(text.split("\n")) <= 4
    assert "@" not in re.sub(r"`[^`]*`", "", text)
    assert re.search(r"`/journeyman \w+`|`@acme-bot`|comment|review|pull request|Ask again", text)


@pytest.mark.parametrize(
    ("state", "stands", "onwards"),
    [
        (
            "none",
            "I have no session in this thread",
            "`/journeyman run` or the label `journeyman` starts work",
        ),
        ("queued", "the work here is queued ([status](https://g.example/1))", "`/journeyman stop` ends it"),
        ("running", "I am at work here ([status](https://g.example/1))", "Mention `@acme-bot` to guide it"),
        ("paused", "the work here is paused", "`/journeyman resume` lets it go on"),
        ("outage", "waits for the model provider and goes on by itself", "`/journeyman stop` ends it"),
        ("done", "the work here is done (#57)", "review the pull request or mention `@acme-bot`"),
        ("stopped", "the work here was stopped", "`/journeyman retry` tries again"),
        ("failed", "the work here has ended (out of budget)", "`/journeyman retry` tries again"),
        ("merged", "#57 is merged", "open an issue and ask with `/journeyman run` there"),
        ("closed", "#57 is closed", "Reopen it to go on, or start anew with `/journeyman run` on #42"),
        ("stopping", "the work here is being stopped", "When it has ended, `/journeyman retry` tries again"),
        ("merged, stopping", "the work here is being stopped", "open an issue"),
        ("shut", "the work here was stopped", "Reopen the issue; then `/journeyman retry` tries again"),
        ("shut, stopping", "the work here is being stopped", "Reopen the issue; then `/journeyman retry`"),
    ],
)
def test_an_answer_says_how_things_stand(state: str, stands: str, onwards: str) -> None:
    """What can't be done is explained by what is the case."""
    text = replies.nothing_to_resume(HERE[state])

    assert text.startswith("Nothing to resume: ")
    assert stands in text
    assert onwards in text


def test_where_the_work_is_queued_nothing_claims_to_work() -> None:
    """A second request for the same work learns where the first one stands."""
    assert "queued already" in replies.already(HERE["queued"])
    assert "at work here already ([status](https://g.example/1))" in replies.already(HERE["running"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("command", "zap", "", None, ()), "Unknown command `zap`. See `/journeyman help`."),
        (
            ("argument", "bugdet", "run", "budget", ("model", "budget", "proof")),
            "Unknown argument `bugdet` of `/journeyman run`. Did you mean `budget=`? It takes `model=`, \
`budget=` or `proof=`. See `/journeyman help`.",
        ),
        (
            ("argument", "now", "stop", None, ()),
            "`/journeyman stop` takes no arguments, so I don't know what `now` asks for. See \
`/journeyman help`.",
        ),
        (
            ("argument", "budget", "run", None, ("model", "budget", "proof")),
            "`budget` is given twice, and I can follow only one.",
        ),
        (
            ("value", "proof=of", "run", "proof=off", ("required", "preferred", "off")),
            "`proof=of` can't be used. Did you mean `proof=off`? It takes `required`, `preferred` or `off`. \
See `/journeyman help`.",
        ),
    ],
)
def test_what_was_misread_is_explained(
    arguments: tuple[str, str, str, str, tuple[str, ...]], expected: str
) -> None:
    """The wrong word, the probable one and the possible ones are named."""
    kind, unknown, word, suggestion, allowed = arguments

    assert (
        replies.misread(
            SECRETS, kind=kind, unknown=unknown, word=word, suggestion=suggestion, allowed=allowed
        )
        == expected
    )


def test_a_refusal_names_both_roles_and_the_key() -> None:
    """Who lacks a role learns which one, for what, and where it is set; nobody is notified."""
    text = replies.refused(NONE, login="mallory", needs="triage", has="read", key="steer", what="guidance")

    assert text == (
        "@&#8203;mallory needs **triage** access to guide the work here (and has **read**).\n"
        "A maintainer can do it, or change `allow.steer` in `.github/journeyman.yml`."
    )
    assert "for `/journeyman retry` here" in replies.refused(
        NONE, login="m", needs="write", has="read", what="retry"
    )


def test_the_pull_request_decides_what_can_be_asked_there() -> None:
    """On a pull request of ours a review is the way; on another's nothing is."""
    assert "comes from one already" in replies.run_on_pull(HERE["done"])
    assert "Open an issue" in replies.run_on_pull(NONE)
    assert "on #42" in replies.closed(HERE["done"])
    assert replies.merged(HERE["done"]).startswith("#57 is merged")


def test_what_comes_from_elsewhere_is_inert_and_redacted() -> None:
    """Neither a quoted line nor a reason pings, links, closes or leaks."""
    hostile = f"/journeyman stop @alice #7 </details> {SECRET}\n/journeyman stop"
    part = Part(replies.option_refused(NONE, why=hostile), hostile)
    wrong = replies.misread(
        SECRETS, kind="value", unknown=hostile, word="run", suggestion=None, allowed=("x",)
    )

    body = replies.reply(
        "op", "s", [part, Part(replies.option_refused(NONE, why=hostile)), Part(wrong)], SECRETS
    )

    visible = re.sub(r"`[^`]*`", "", body)
    assert SECRET not in body
    assert "@alice" not in visible
    assert "#7" not in visible
    assert "</details>" not in visible
    assert not re.search(r"(?m)^/", body)
