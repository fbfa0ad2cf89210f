"""Holds the conversation log to being whole, stable, inert and paged."""

import random
import re
from dataclasses import replace

import pytest

from bot.words import log, markers
from bot.words.facts import InteractionFacts, Remark
from storage.words import InteractionType
from tests.words_facts import SECRET, SESSION

TASK, AGENT = InteractionType.USER_REQUEST, InteractionType.CLAUDE_RESPONSE
HUMAN, PERSON = InteractionType.SIMULATED_HUMAN, InteractionType.HUMAN
CALL, RESULT = InteractionType.TOOL_CALL, InteractionType.TOOL_RESULT

SHORT = [
    InteractionFacts(TASK, "Fails for @x:\n```\n@y\n```", author="alice", source="issue 42"),
    InteractionFacts(AGENT, "Let me look.", tokens=2_100, seconds=14),
    InteractionFacts(CALL, tool="bash", target="pytest -q | tail", call_id="a"),
    InteractionFacts(RESULT, "4 failed\n```", call_id="a", failed=True),
    InteractionFacts(HUMAN, "These fail: t", kind="error_handling"),
    InteractionFacts(PERSON, "Try harder", author="bob", source="a comment"),
    InteractionFacts(AGENT, "Done."),
]

PAGE = """\
<!-- journeyman:log v1 s=7f3k2m9q op=log-t1-1 -->
#### Conversation · page 1 · turns 1\u20135

<details><summary><b>1 · Task</b> — @&#8203;alice, issue 42</summary>

> Fails for @&#8203;x:
>
> ```
> @y
> ```

</details>
<details><summary><b>2 · Agent</b> — Let me look. · 2,100 tokens · 14 s</summary>

Let me look.

| Tool | Target | Result |
|---|---|---|
| bash | <code>pytest -q &#124; tail</code> | **failed** · 2 lines |

````text
4 failed
```
````

</details>
<details><summary><b>3 · Simulated human</b> (automatic, not a person): error handling</summary>

> These fail: t

</details>
<details><summary><b>4 · Person</b> — @&#8203;bob, a comment</summary>

> Try harder

</details>
<details open><summary><b>5 · Agent</b> — Done.</summary>

Done.

</details>"""


def talk(turns: int, seed: int = 7, size: int = 6_000) -> list[InteractionFacts]:
    """Return a long conversation with parallel tools, interruptions and texts of every size."""
    drawn = random.Random(seed)  # noqa: S311
    entries = [InteractionFacts(TASK, "Do it", author="alice")]
    for turn in range(turns):
        entries.append(
            InteractionFacts(AGENT, f"turn {turn}\n" + "words and `code` @x\n" * drawn.randint(0, size // 20))
        )
        calls = [f"{turn}-{number}" for number in range(drawn.randint(0, 4))]
        entries += [InteractionFacts(CALL, tool="bash", target=f"run {one}", call_id=one) for one in calls]
        if drawn.random() < 0.3:
            entries.append(InteractionFacts(PERSON, f"between {turn}", author="bob"))
        entries += [InteractionFacts(RESULT, "out\n" * drawn.randint(0, 400), call_id=one) for one in calls]
        if drawn.random() < 0.3:
            entries.append(InteractionFacts(HUMAN, f"nudge {turn}"))
    return entries


def test_a_short_conversation_is_this_page() -> None:
    """Each speaker has its entry; the simulated human is marked as not a person."""
    assert log.pages(SESSION, "t1", SHORT) == [PAGE]


def test_what_finish_says_is_what_the_agent_says() -> None:
    """As text of its own, not as the table row of a tool; it titles a turn in which nothing else was said."""
    said = "Floats lose @cents.\n\nOpen questions:\n\n- Round up?"
    entries = [
        *SHORT[:1],
        InteractionFacts(AGENT, tokens=9),
        InteractionFacts(CALL, said, tool="finish", call_id="a"),
        InteractionFacts(RESULT, "Taken down.", call_id="a"),
    ]

    page = log.pages(SESSION, "t1", entries)[0]

    assert page.endswith(
        "<details open><summary><b>2 · Agent</b> — Floats lose @&#8203;cents. · 9 tokens</summary>\n\n"
        "Floats lose @&#8203;cents.\n\nOpen questions:\n\n- Round up?\n\n</details>"
    )


def test_a_later_task_s_conversation_says_which_it_is() -> None:
    """The second conversation in a thread can be told from the first."""
    assert (
        "#### Conversation · follow-up, attempt 2 · page 1 · "
        in (log.pages(SESSION, "t1", SHORT, about="follow-up, attempt 2")[0])
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_full_pages_never_change(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As interactions arrive one by one, every page but the last stays as it was."""
    monkeypatch.setattr(log, "PAGE", 9_000)
    monkeypatch.setattr(log, "_PIECE", 3_000)
    entries = talk(12, seed, size=4_000)
    before: list[str] = []
    for end in range(1, len(entries) + 1):
        now = log.pages(SESSION, "t1", entries[:end])
        assert now[: len(before) - 1] == before[:-1]
        assert len(now) >= len(before)
        before = now
    assert len(before) > 3


def test_the_whole_conversation_is_posted_in_bounded_pages() -> None:
    """Three megabytes of talk come out whole, in order, no page above its limit."""
    entries = talk(120, size=40_000)

    pages = log.pages(SESSION, "t1", entries, ended=True)

    assert all(len(page) <= log.PAGE for page in pages)
    assert [
        markers.begins(page, markers.marker("log", SESSION.id, f"log-t1-{n}"))
        for n, page in enumerate(pages, 1)
    ] == [True] * len(pages)
    whole = "\n".join(pages)
    assert re.findall(r"(?m)^turn (\d+)$", whole) == [str(number) for number in range(120)]
    said = sum(one.text.count("words and") for one in entries)
    assert whole.count("words and `code` @&#8203;x") == said
    assert [page.count("<details") - page.count("</details>") for page in pages] == [0] * len(pages)


def test_a_code_block_in_a_quoted_text_stays_closed_across_parts() -> None:
    """A long quoted text is cut into parts that each hold their code inside a fence."""
    text = "```\n" + "@alice\n" * 9_000 + "```"

    pages = log.pages(SESSION, "t1", [InteractionFacts(TASK, text, author="alice")])

    outside = "".join(re.split(r"(?ms)^> (`{3,}).*?^> \1$", "\n".join(pages)))
    assert "@alice" not in outside
    assert "\n".join(pages).count("> @alice\n") == 9_000


def test_a_tool_without_its_result_waits_until_the_task_has_ended() -> None:
    """A running tool is not shown half; at the end even a lost result is accounted for."""
    entries = SHORT[:3]

    assert "bash" not in log.pages(SESSION, "t1", entries)[0]
    assert "| no result |" in log.pages(SESSION, "t1", entries, ended=True)[0]


def test_secrets_are_gone_and_outputs_are_cut_honestly() -> None:
    """Texts, targets and outputs are redacted before they are cut."""
    entries = [
        InteractionFacts(AGENT, f"I see {SECRET}"),
        InteractionFacts(CALL, tool="bash", target=f"echo {SECRET}", call_id="a"),
        InteractionFacts(RESULT, "x" * 2_990 + SECRET + "\nmore" * 90, call_id="a"),
    ]

    page = log.pages(SESSION, "t1", entries)[0]

    assert SECRET[:10] not in page
    assert re.search(r"\*\d+ of 91 lines shown \(3,000 of [\d,]+ characters\)\.\*", page)


def test_a_page_links_to_the_one_before() -> None:
    """From the second page on a reader can go back."""
    pages = log.pages(SESSION, "t1", talk(60), urls=["https://github.example/1"], ended=True)

    assert "[Previous page](https://github.example/1)" in pages[1]
    assert "[Previous page]" not in pages[0]


def test_the_summary_shows_the_ends_and_says_so() -> None:
    """With comments: summary the first and the last two turns are posted."""
    entries = [InteractionFacts(AGENT, f"turn {number}") for number in range(30)]

    pages = log.pages(SESSION, "t1", entries, summary=True)

    assert len(pages) == 1
    assert re.findall(r"(?m)^turn (\d+)$", pages[0]) == ["0", "1", "28", "29"]
    assert "*4 of 30 turns shown.*" in pages[0]


def test_what_the_agent_says_cannot_leave_its_entry() -> None:
    """A closing tag or an open fence in a text ends nothing but itself."""
    entries = [InteractionFacts(AGENT, "</details> <!-- x\n```\nopen"), replace(SHORT[-1])]

    page = log.pages(SESSION, "t1", entries)[0]

    assert page.count("<details") == page.count("</details>") == 2
    assert page.count("\n```") == 2


def test_a_review_is_shown_with_its_lines() -> None:
    """Under its author's name, quoted as a whole, each remark at its place and inert by itself."""
    remarks = (Remark("shop.py:3", "```\nx = @y"), Remark("a`b.py:file", "</details> Closes #1"))
    review = InteractionFacts(TASK, "Not yet.", author="bob", source="review", remarks=remarks)
    (page,) = log.pages(SESSION, "t1", [review, InteractionFacts(AGENT, "Done.")])
    assert page.split("\n\n", 1)[1].startswith(
        "<details><summary><b>1 · Task</b> — @&#8203;bob, review</summary>\n\n"
        "> Not yet.\n\n"
        "> `shop.py:3`:\n>\n> ```\n> x = @y\n> ```\n\n"
        "> ``a`b.py:file``:\n>\n> &lt;/details> Closes #&#8203;1\n\n"
        "</details>\n"
    )
