"""What a comment asks for follows from its Markdown as a reader sees it, and from nothing hidden in it."""

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.talk import commands
from bot.talk.commands import Command, Heard, Misread
from bot.words import final, help_table, log, pull_request, replies, report, status
from bot.words.facts import InteractionFacts
from bot.words.redaction import Redactor
from bot.words.replies import Here, Part
from storage.words import InteractionType, PausedBy, Reason, TaskKind, TaskState
from tests.words_facts import CHANGE, PROVEN, SESSION, TASK

SLUG = "journeyman-acme"


def _read(body: str) -> Heard:
    return commands.read(body, SLUG)


def _words(body: str) -> list[str]:
    return [one.word if isinstance(one, Command) else f"?{one.unknown}" for one in _read(body).commands]


@pytest.mark.parametrize(
    ("body", "word", "options"),
    [
        ("/journeyman stop", "stop", {}),
        ("   /Journeyman   STOP  ", "stop", {}),
        ("text before\n/journeyman pause\ntext after", "pause", {}),
        ("text before\\\n/journeyman pause", "pause", {}),
        ("/journeyman run", "run", {}),
        (
            "/journeyman run Model=claude-opus-5-5 BUDGET=$2.50 proof=Off",
            "run",
            {"model": "claude-opus-5-5", "budget": "2.5", "proof": "off"},
        ),
        ("/journeyman retry from=tests, budget = 5usd", "retry", {"from": "tests", "budget": "5"}),
        ("/journeyman retry budget=1000", "retry", {"budget": "1000"}),
        ("/journeyman", "help", {}),
        ("/journeyman stop please!", "stop", {}),
        ("/journeyman **stop**", "stop", {}),
        ("/journeyman stop <!-- enough -->", "stop", {}),
        ("@journeyman-acme stop", "stop", {}),
        ("@Journeyman-Acme[bot]: stop.", "stop", {}),
        ("@journeyman-acme, stop it now, thanks :)", "stop", {}),
        ("@journeyman-acme please resume", "resume", {}),
        ("@journeyman-acme retry budget=3", "retry", {"budget": "3"}),
        ("@journeyman-acme status?", "status", {}),
        ("@journeyman-acme", "help", {}),
        ("@journeyman-acme&nbsp;test", "test", {}),
        ("\ufeff/journeyman st\u200bop", "stop", {}),
        ("\r\n/journeyman stop\r\n", "stop", {}),
        ("<details>\n\nlog\n\n</details>\n\n/journeyman stop", "stop", {}),
        ("/journeyman stop, this is the wrong approach", "stop", {}),
        ("/journeyman stop because budget=3 is too much", "stop", {}),
        ("/journeyman pause - let me look first", "pause", {}),
        ("/journeyman resume now that CI is back", "resume", {}),
        ("@journeyman-acme stop, wrong approach", "stop", {}),
        ("@journeyman-acme please stop! It costs too much.", "stop", {}),
        ("@journeyman-acme stop because this is wrong", "stop", {}),
        ("@journeyman-acme pause \u2014 I want to look", "pause", {}),
    ],
)
def test_a_command_is_understood(body: str, word: str, options: dict[str, str]) -> None:
    """The word comes in lower case, the options in their canonical form, the line as typed."""
    (command,) = _read(body).commands

    assert isinstance(command, Command)
    assert (command.word, dict(command.options)) == (word, options)
    assert command.line.strip("\ufeff") in body


@pytest.mark.parametrize(
    "body",
    [
        "> /journeyman stop",
        "> text\n/journeyman stop",  # goes on in the quote
        "```\n/journeyman stop\n```",
        "~~~\n/journeyman stop",
        "    /journeyman stop",
        "text\n    /journeyman stop",
        "`/journeyman stop`",
        "`a\n/journeyman stop\nb`",
        "# /journeyman stop",
        "/journeyman stop\n---",
        "- /journeyman stop",
        "1. /journeyman stop",
        "[/journeyman stop](https://example.org)",
        "see [this\n/journeyman stop\n](https://example.org)",
        "<!--\n\n/journeyman stop\n\n-->",
        "text <!--\n/journeyman stop\n-->",
        "<div>\n/journeyman stop\n</div>",
        "<pre>\n\n/journeyman stop\n\n</pre>",
        "<details>\n\n/journeyman stop\n\n</details>",
        "<blockquote>\n\n/journeyman stop\n\n</blockquote>",
        "text <code>\n/journeyman stop\n</code>",
        "~~text\n/journeyman stop~~",
        "a | b\n--|--\n/journeyman stop | c",
        "[^1]: text\n/journeyman stop",
        "[a]: https://example.org '\n/journeyman stop\n'",
        "![x](y '\n/journeyman stop\n')",
        "\\/journeyman stop",
        "&#47;journeyman stop",
        "/jour&#8203;neyman stop",
        "/jour\u200bneyman stop and /journeyman",
        "/journey<!-- -->man stop",
        "/journeyman-lab stop",
        "/journeymanstop",
        "/other stop",
        "do not /journeyman stop",
        "**/journeyman stop**",
        "\\@journeyman-acme stop",
        "@&#8203;journeyman-acme stop",
        "/journeyman\x00stop",
        "",
    ],
)
def test_what_is_quoted_hidden_or_no_paragraph_is_no_command(body: str) -> None:
    """Only the beginning of a line of a plain paragraph counts, and only if it is written as itself."""
    assert _read(body).commands == ()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("/journeyman stpo", ("command", "stpo", "stop", "")),
        ("/journeyman cancel", ("command", "cancel", "stop", "")),
        ("/journeyman fix the bug", ("command", "fix", None, "")),
        ("/journeyman `stop`", ("command", "`stop`", "stop", "")),
        ("@journeyman-acme stpo", ("command", "stpo", "stop", "")),
        ("@journeyman-acme abort!", ("command", "abort!", "stop", "")),
        ("/journeyman run fast", ("argument", "fast", None, "run")),
        ("/journeyman run bugdet=5", ("argument", "bugdet", "budget", "run")),
        ("/journeyman retry model=x", ("argument", "model", None, "retry")),
        ("/journeyman stop from=plan", ("argument", "from", None, "stop")),
        ("/journeyman run budget=5 budget=6", ("argument", "budget", None, "run")),
        ("@journeyman-acme retry bugdet=5", ("argument", "bugdet", "budget", "retry")),
        ("/journeyman run proof=of", ("value", "proof=of", "proof=off", "run")),
        ("/journeyman run budget", ("value", "budget=", None, "run")),
        ("/journeyman run model=a/b", ("value", "model=a/b", None, "run")),
        *(
            (f"/journeyman run budget={amount}", ("value", f"budget={amount}", None, "run"))
            for amount in ("0", "-1", "1000.01", "1e3", "5,50", "nan", "\u0665", "$$5", "x" * 40)
        ),
    ],
)
def test_what_looks_like_a_command_is_misread_aloud(body: str, expected: tuple[str, ...]) -> None:
    """Nobody is left guessing: what was not understood is named, with what was probably meant."""
    (item,) = _read(body).commands

    assert isinstance(item, Misread)
    assert (item.kind, item.unknown, item.suggestion, item.word) == expected
    assert item.allowed == {"command": commands.options.WORDS}.get(item.kind, item.allowed)
    assert bool(item.allowed) == (item.word != "stop")


@pytest.mark.parametrize(
    "body",
    [
        "@journeyman-acme stop the server from crashing",
        "@journeyman-acme test, then rename it",
        "@journeyman-acme resume, but with the other parser",
        "@journeyman-acme stop, or is it nearly done?",
        "@journeyman-acme test the parser too",
        "@journeyman-acme help me understand this",
        "@journeyman-acme run the linter as well",
        "@journeyman-acme stop?",
        "@journeyman-acme yes",
        "@journeyman-acme\nuse the other parser",
        "Could you, @journeyman-acme, rename it?",
        "- rename it, @journeyman-acme",
        "> old\n\nno, @journeyman-acme[bot].",
        "(@journeyman-acme) rename it",
    ],
)
def test_other_text_that_mentions_us_is_guidance(body: str) -> None:
    """Free text is for the model, whole."""
    assert _read(body) == Heard((), 0, body, mentioned=True)


@pytest.mark.parametrize(
    "body",
    [
        "@journeyman-acmes look",
        "@journeyman-acme-2 look",
        "@journeyman look",
        "mail foo@journeyman-acme.com",
        "@journeyman-acme.com look",
        "@other/journeyman-acme look",
        "@journeyman-acme/team look",
        "https://example.org/@journeyman-acme",
        "https://example.org/?to=@journeyman-acme",
        "<https://example.org/@journeyman-acme>",
        "> @journeyman-acme rename it",
        "`@journeyman-acme` rename it",
        "```\n@journeyman-acme\n```",
        "# @journeyman-acme",
        "[@journeyman-acme](https://example.org)",
        "![@journeyman-acme](https://example.org)",
        "~~@journeyman-acme rename it~~",
        "<!-- @journeyman-acme -->",
        '<b title="@journeyman-acme">x</b>',
        "- > @journeyman-acme rename it",
    ],
)
def test_what_only_resembles_a_mention_is_none(body: str) -> None:
    """Other names, addresses, quotes, code, headings, links and HTML don't call us."""
    assert _read(body) == Heard()


@pytest.mark.parametrize(
    "body", ["thanks @journeyman-acme!", "@journeyman-acme thank you, great work \U0001f389"]
)
def test_thanks_ask_for_nothing(body: str) -> None:
    """No work begins because somebody was polite."""
    assert _read(body) == Heard()


def test_a_name_beside_other_texts_points_at_them() -> None:
    """A review has several; alone the name asks for help, and thanks ask for nothing in any place."""
    for body in ("@journeyman-acme", "Hm.\n\n@journeyman-acme please"):
        heard = commands.read(body, SLUG, beside=True)
        assert (heard.mentioned, heard.commands) == (True, ())
    assert _words("@journeyman-acme") == ["help"]
    assert commands.read("thanks @journeyman-acme!", SLUG, beside=True) == Heard()


def test_guidance_is_the_whole_comment_without_its_commands() -> None:
    """Quotes and code are context and stay; what a reader doesn't see goes."""
    body = f"> old\n\n@{SLUG} keep `x` <!-- no -->\n/journeyman pause\nand y\u200b\n\n/journeyman run fast"

    heard = _read(body)

    assert [one.line for one in heard.commands] == ["/journeyman pause", "/journeyman run fast"]
    assert heard.guidance == (
        "> old\n\n@journeyman-acme keep `x` \nand y\n[1 invisible characters were removed.]"
    )


def test_text_beside_a_command_is_no_guidance_unless_we_are_mentioned() -> None:
    """What people say to each other is not for us."""
    heard = _read("/journeyman stop\n\nThis leads nowhere, I'd say.")

    assert (_words("/journeyman stop\n\nThis leads nowhere."), heard.guidance, heard.mentioned) == (
        ["stop"],
        "",
        False,
    )
    assert _read("@journeyman-acme stop\n\nThis leads nowhere.").guidance == ""


def test_the_first_five_commands_count() -> None:
    """The rest is counted, so that it can be named."""
    heard = _read("/journeyman status\n/journeyman stpo\n" + "/journeyman test\n\n" * 6)

    assert len(heard.commands) == 5
    assert heard.left_out == 3


def test_another_prefix_and_no_name() -> None:
    """Where the App has no name yet, the slash alone counts."""
    assert commands.read("@ stop\n/bot stop", "", "bot").commands == (Command("stop", {}, "/bot stop"),)


def test_quoting_our_help_asks_for_nothing() -> None:
    """A person who answers below our text, as mail programs quote it, gives no command."""
    text = help_table.table(SLUG, "journeyman", Redactor())
    quoted = "\n".join(f"> {line}" for line in text.split("\n"))

    assert _read(f"On Monday @someone wrote:\n\n{quoted}\n\nnice") == Heard()


def _ours() -> list[str]:
    session = replace(SESSION, slug=SLUG)
    hostile = f"/journeyman stop\n@{SLUG} stop\n\n@{SLUG} do it"
    parts = [Part(text, "/journeyman stop") for here in
             (Here(slug=SLUG), Here(slug=SLUG, issue=1, pull=2, status=TaskState.FAILED, reason=Reason.ERROR))
             for text in (one(here) for one in replies.STANDING.values())]  # fmt: skip
    parts.append(Part(replies.option_refused(Here(), why=hostile), hostile))
    tasks = [
        replace(TASK, state=state, reason=Reason.TESTS_FAILED, kind=kind, pull_request=pull, detail=hostile,
                progress=hostile, paused_by=PausedBy.PERSON)
        for state in TaskState for kind in TaskKind for pull in (None, 57)
    ]  # fmt: skip
    turns = [InteractionFacts(kind, hostile, author="alice", kind=hostile) for kind in InteractionType]
    return [
        replies.reply("op", "s", parts, Redactor(), left_out=3),
        *(status.comment(session, task, PROVEN) for task in tasks),
        *(final.comment(session, task, PROVEN) for task in tasks),
        *log.pages(session, "t1", turns, ended=True),
        report.comment(session, PROVEN),
        pull_request.body(session, TASK, replace(CHANGE, summary=hostile, look_at=(hostile,)), PROVEN),
        pull_request.body(session, TASK, CHANGE, PROVEN, f"{hostile}\n\n# Summary\n\n{hostile}"),
    ]


def test_our_own_comments_say_nothing_to_us() -> None:
    """Whatever the model or the world puts into them, reading them makes us do nothing."""
    heard = [_read(body) for body in _ours()]

    assert set(map(repr, heard)) == {repr(Heard())}


_PIECES = (
    *(
        "/journeyman stop",
        f"@{SLUG} stop",
        f"@{SLUG}",
        "x",
        "\n",
        "\n\n",
        "> ",
        "```",
        "~~~",
        "`",
        "    ",
        "- ",
    ),
    *(
        "1. ",
        "#",
        "[",
        "](",
        ")",
        "<!--",
        "-->",
        "<div>",
        "<details>",
        "</",
        "&#47;",
        "\\",
        "|",
        "---",
        "*",
        "_",
    ),
    *("~~", "\u200b", "\x00", "\ud800", "\r", "\t", "<a href='", "[x]: y", "!["),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=5)), max_size=30).map("".join))
def test_any_text_is_read(body: str) -> None:
    """No text makes it raise; what it keeps of it can be stored and sent."""
    heard = _read(body)

    assert len(heard.commands) <= commands.MOST_COMMANDS
    assert all(len(one.line) <= commands.SHOWN and one.line.encode() for one in heard.commands)
    assert heard.guidance.encode() or not heard.guidance


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(_PIECES), st.text("ab \n", max_size=5)), max_size=20).map("".join),
    st.integers(3, 6),
)
def test_nothing_inside_a_fence_or_a_quote_counts(body: str, ticks: int) -> None:
    """However it is mixed, quoted text and fenced code ask for nothing."""
    lines = body.replace("\r", "\n").split("\n")
    fence = "`" * (max(ticks, *(line.count("`") + 1 for line in lines)))
    fenced = f"{fence}text\n{body}\n{fence}\n"

    assert _read(fenced) == Heard()
    assert _read("\n".join(f"> {line}" for line in lines)) == Heard()


_WORST = {
    "quotes": ">" * 10_000 + f" @{SLUG} x\n",
    "lists": "".join(" " * (2 * depth) + "- a\n" for depth in range(250)),
    "brackets": "[" * 30_000 + "]" * 30_000,
    "images": "[a]![" * 13_000,
    "backticks": "`a" * 30_000,
    "comments": "<!--" * 16_000,
    "emphasis": "**a*" * 16_000,
    "rows": "|a" * 100 + "|\n" + "|-" * 100 + "|\n" + "|\n" * 40_000,
    "dashes": "-" * 30_000 + "x\n" + "| " * 15_000 + "x",
    "blanks": "/journeyman run" + " " * 60_000 + "x",
    "breaks": "a\n" * 32_000,
    "signs": f"@{SLUG} x" * 3_000,
    "commands": "/journeyman run x\n" * 3_600,
    "addresses": "https://x/@" * 5_900,
    "one word": "a" * 65_000,
}


@pytest.mark.parametrize("name", _WORST)
def test_hostile_lengths_take_no_time(name: str) -> None:
    """64 KB of the worst cost a fraction of a second; a quadratic rule would take minutes."""
    body = f"{_WORST[name][:65_000]}\n\n@{SLUG} rename it\n"
    _read("@journeyman-acme warm up")

    began = time.process_time()
    _read(body)

    assert time.process_time() - began < 2  # measured: below 0.2


def test_a_command_below_a_long_log_is_heard() -> None:
    """The end of a long comment counts like its beginning, pasted output or not."""
    lines = "\n".join(f"{number} ERROR something failed in module {number}" for number in range(900))

    assert _words(f"{lines}\n/journeyman stop") == ["stop"]
    assert _words(f"{lines}\n\n/journeyman stop") == ["stop"]
