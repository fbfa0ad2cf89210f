"""Decide whether a text about to leave holds a secret: ours, or anything shaped like one."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

SHORTEST = 8  # a shorter value would be found in ordinary words; the settings refuse secrets as short
WINDOW = (
    1600  # characters of base64 that are read where a token seems to begin; the longest token has some 700
)
ARMOUR = re.compile(r"-----(?:BEGIN|END) [^-]*-----")  # the first and last line of a key: no secret

# The shapes that the issuers document: how one begins, and all of it. A match is a finding whether or not the
# value is still good. Stateless installation tokens have dots, dashes and some 520 characters since 2026.
SHAPES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("a GitHub App token", ("ghs_", "ghu_"), r"gh[su]_[A-Za-z0-9._-]{36,}"),
    ("a GitHub token", ("ghp_", "gho_", "ghr_"), r"gh[opr]_[A-Za-z0-9]{36,}"),
    ("a GitHub token", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{40,}"),
    ("an Anthropic API key", ("sk-ant-",), r"sk-ant-[A-Za-z0-9_-]{20,}"),
    (
        "a private key",
        ("-----BEGIN ",),
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*[\w+/=:\\]",
    ),
    ("an AWS access key", ("AKIA", "ASIA"), r"(?<![A-Za-z0-9+/])A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9+/])"),
    ("a Slack token", ("xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-"), r"xox[abprs]-[A-Za-z0-9-]{20,}"),
    ("a Google API key", ("AIza",), r"(?<![A-Za-z0-9+/])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    ("an npm token", ("npm_",), r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    ("a PyPI token", ("pypi-AgEI",), r"pypi-AgEI[A-Za-z0-9_-]{50,}"),
)
TO_STANDARD = str.maketrans("-_", "+/")  # from the URL-safe alphabet of base64


@dataclass(frozen=True)
class Finding:
    """Where a secret was seen and of what kind; the value itself is kept nowhere."""

    where: str
    kind: str


def find(texts: Mapping[str, str], known: Sequence[str] = ()) -> list[Finding]:
    """Return what in `texts` (name to content) must not leave: one finding per text and kind.

    `known` holds secret values of ours. They are looked for as they are, in base64 at every alignment, in
    hex, quoted for URLs and JSON, and with white space in between. Token shapes are looked for as they are
    and inside base64. Some 50 ms for a megabyte: call it in a thread.
    """
    forms = {form for value in known for form in _forms(value)}
    encoded = {
        form for value in known for part in _parts(value) for _, form in _encodings(part) if len(form) >= 8
    }
    return [
        Finding(where, kind) for where, text in texts.items() for kind in sorted(_kinds(text, forms, encoded))
    ]


def _kinds(text: str, forms: set[str], encoded: set[str]) -> set[str]:
    squeezed = "".join(text.split())
    standard = squeezed.translate(TO_STANDARD)
    kinds = set(_shapes(text))
    kinds |= {f"{kind} in base64" for kind in _hidden_shapes(standard)}
    if any(form in text or form in squeezed for form in forms) or any(form in standard for form in encoded):
        kinds.add("one of Journeyman's own secrets")
    return kinds


def _shapes(text: str) -> Iterator[str]:
    for kind, beginnings, shape in SHAPES:
        # a plain search is many times faster than an expression, and mostly all that is needed
        if any(one in text for one in beginnings) and re.search(shape, text):
            yield kind


def _hidden_shapes(standard: str) -> Iterator[str]:
    """Yield the kinds of what begins, somewhere in a run of base64, as a token does."""
    for kind, beginnings, shape in SHAPES:
        hints = ((drop, hint) for beginning in beginnings for drop, hint in _encodings(beginning))
        for drop, hint in hints:
            if any(re.search(shape, said) for said in _windows(standard, drop, hint)):
                yield kind


def _windows(standard: str, drop: int, hint: str) -> Iterator[str]:
    place = standard.find(hint)
    while place >= 0:
        start = max(0, place - drop)
        run = re.match(r"[A-Za-z0-9+/]*", standard[start : start + WINDOW])
        part = run.group() if run else ""
        part = part[: len(part) - len(part) % 4] if len(part) % 4 == 1 else part
        yield base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")
        place = standard.find(hint, place + 1)


def _parts(value: str) -> list[str]:
    """Return the value and, when it has several lines, each that is long enough to be recognised."""
    lines = [line.strip() for line in re.split(r"\n|\\n", value)]
    parts = {value.strip(), "".join(value.split()), *lines}
    return sorted(part for part in parts if len(part) >= SHORTEST and not ARMOUR.fullmatch(part))


def _forms(value: str) -> Iterator[str]:
    for part in _parts(value):
        raw = part.encode()
        yield from (part, quote(part, safe=""), raw.hex(), raw.hex().upper())
        yield from (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])


def _encodings(text: str) -> Iterable[tuple[int, str]]:
    """Yield the base64 characters that only `text` decides, for each place it can have in a longer one.

    The number says how many characters before these belong to the same group of four.
    """
    raw = text.encode()
    for shift, drop in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        last = len(encoded) - (1 if (shift + len(raw)) % 3 else 0)
        yield drop, encoded[drop:last]
