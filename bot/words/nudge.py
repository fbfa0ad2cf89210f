"""Decide what the simulated human says: what it has seen, then what it asks for, never empty cheer."""

import re
from dataclasses import dataclass

from bot.words import ingoing, redaction

LONGEST = 1_200  # characters of one word
BYLINE = "From the simulated reviewer (automated, not a person):"

_SHOWN = 5
_CHECKBOX = re.compile(r"^\s*[-*+]\s+\[(?P<box>[ xX])\]\s+(?P<text>\S.*)$")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+(?P<text>\S.*)$")
_DEMAND = re.compile(r"(?i)\b(should|must|expect(ed|s)?|instead|needs? to|ought|acceptance|requirements?)\b")
_CODE = re.compile(r"(?ms)^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)")


@dataclass(frozen=True)
class Failure:
    """A failing test (or tool, or time-out) with the first line of what it said."""

    name: str
    first_line: str = ""


@dataclass(frozen=True)
class Evidence:
    """What a word may rest on."""

    issue_title: str = ""
    issue_text: str = ""  # as `bot.words.ingoing` has cleaned it
    failures: tuple[Failure, ...] = ()
    diff_stat: str = ""


def conclude(evidence: Evidence, stillness: str) -> str:
    """Return the word that asks Claude to end, *stillness* saying in a clause why."""
    return _word(
        f"I see no progress: {quote(stillness, 300)}.",
        [*_failing(evidence), *_asked(evidence)],
        "Please conclude now. Call `finish` with what you have, or say plainly what is missing and why.",
    )


def on_error(evidence: Evidence, error: str) -> str:
    """Return the word on something that failed, *error* saying in a clause what."""
    return _word(
        f"I see that {quote(error, 300)}.",
        _failing(evidence) or _asked(evidence),
        "Read the message first, find out what causes it, and mend the cause rather than the symptom. If the"
        " cause lies outside this repository, say so in `finish`.",
    )


def answer(evidence: Evidence, question: str) -> str:
    """Return the answer to the *question* in which Claude's turn ended."""
    return _word(
        f"You asked: {quote(question, 300)}",
        ["I cannot decide for the maintainers, so I go by what the issue says.", *_asked(evidence)],
        "Take the smallest reading that meets this, go on without waiting, and name your assumption among the"
        " open questions of `finish`.",
    )


def go_on(evidence: Evidence) -> str:
    """Return the word to a turn that ended without ``finish`` and without a question."""
    return _word(
        "You ended your turn, but you have not called `finish`.",
        [*_failing(evidence), *_changed(evidence), *_asked(evidence)],
        "Go on with what is left. If all of this is done and you have run the tests, call `finish`.",
    )


def encourage(evidence: Evidence) -> str:
    """Return the word that nothing but time has called for."""
    changed = _changed(evidence)
    return _word(
        "I looked at what you have so far." if changed else "I see no change to any file yet.",
        [*_failing(evidence), *changed, *_asked(evidence)],
        "Check your work against this before the next step, and keep the change as small as it allows.",
    )


def points(issue_text: str) -> list[str]:
    """Return what the issue asks for: its open boxes, else the lines that demand something."""
    text = _CODE.sub("", issue_text)
    lines = [one for one in text.split("\n") if one.strip()]
    boxes = [found for one in lines if (found := _CHECKBOX.match(one))]
    if boxes:
        return [found["text"].strip() for found in boxes if found["box"] == " "]
    wanted: list[str] = []
    demanding = False  # below a line such as "Expected behaviour:"
    for one in lines:
        if bullet := _BULLET.match(one):
            wanted += [bullet["text"].strip()] if demanding or _DEMAND.search(one) else []
            continue
        demanding = bool(_DEMAND.search(one))
        sentences = re.split(r"(?<=[.!?])\s+", one.strip())
        wanted += [
            said for said in sentences if _DEMAND.search(said) and said[:1] != "#" and said[-1:] != ":"
        ]
    return wanted


def question(text: str) -> str:
    """Return the question that ends *text*, or nothing."""
    lines = [one.strip() for one in text.split("\n") if one.strip()]
    last = lines[-1].rstrip("*_`\")' ") if lines else ""
    if not last.endswith("?"):
        return ""
    return re.split(r"(?<=[.!?:])\s+", last)[-1].lstrip("#>-*0123456789.) ")


def quote(text: str, limit: int) -> str:
    """Return *text* on one line and without anything that could pass for the frame around data."""
    plain = " ".join(redaction.make_safe(text[: 4 * limit]).split())
    plain = re.sub(rf"(?i)<(?=\s*/?\s*{ingoing.TAG})", "&lt;", plain)
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


def _failing(evidence: Evidence) -> list[str]:
    if not evidence.failures:
        return []
    lines = ["These fail:"]
    for one in evidence.failures[:_SHOWN]:
        said = f": {quote(one.first_line, 140)}" if one.first_line else ""
        lines.append(f"- {quote(one.name, 120)}{said}")
    return ["\n".join([*lines, *_more(len(evidence.failures))])]


def _changed(evidence: Evidence) -> list[str]:
    stat = [one for one in evidence.diff_stat.split("\n") if one.strip()]
    if not stat:
        return []
    kept = stat if len(stat) <= _SHOWN else [*stat[: _SHOWN - 1], stat[-1]]
    return ["\n".join(["The change so far:", *(f"> {quote(one, 100)}" for one in kept)])]


def _asked(evidence: Evidence) -> list[str]:
    wanted = points(evidence.issue_text)
    if wanted:
        lines = [f"- [ ] {quote(one, 120)}" for one in wanted[:_SHOWN]]
        return ["\n".join(["The issue asks for:", *lines, *_more(len(wanted))])]
    text = evidence.issue_text or evidence.issue_title
    first = next((one for one in text.split("\n") if one.strip()), "")
    return [f"The issue says: {quote(first, 200)}"] if first else []


def _more(total: int) -> list[str]:
    return [f"- and {total - _SHOWN} more"] if total > _SHOWN else []


def _word(seen: str, evidence: list[str], asked: str) -> str:
    """Join the parts; where they are too long the evidence is cut and what is asked at the end is kept."""
    first = f"{BYLINE} {seen}"
    room = LONGEST - len(first) - len(asked) - 4
    middle = "\n\n".join(evidence)
    if len(middle) > room:
        middle = middle[: room - 2].rsplit("\n", 1)[0].rstrip() + "\n…"
    return "\n\n".join(part for part in (first, middle, asked) if part)
