"""Decide whether a text about to leave holds a secret: ours, or anything shaped like one."""

import base64
import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

SHORTEST = 8  # a shorter value would be found in ordinary words; the settings refuse secrets as short

# The shapes that the issuers document; a match is a finding whether or not the value is still good.
SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    # stateless installation tokens have dots, dashes and some 520 characters since 2026
    ("a GitHub App token", re.compile(r"gh[su]_[A-Za-z0-9._-]{36,}")),
    ("a GitHub token", re.compile(r"gh[opr]_[A-Za-z0-9]{36,}")),
    ("a GitHub token", re.compile(r"github_pat_[A-Za-z0-9_]{40,}")),
    ("an Anthropic API key", re.compile(r"sk-ant-[A-Za-z0-9_-]{20,}")),
    (
        "a private key",
        re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*[A-Za-z0-9+/=:\\]"),
    ),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b")),
    ("a Slack token", re.compile(r"\bxox[abposr]-[A-Za-z0-9-]{20,}")),
    ("a Google API key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b")),
    ("an npm token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("a PyPI token", re.compile(r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}")),
)
ARMOUR = re.compile(r"-----(?:BEGIN|END) [^-]*-----")  # the first and last line of a key: no secret
ENCODED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")


@dataclass(frozen=True)
class Finding:
    """Where a secret was seen and of what kind; the value itself is kept nowhere."""

    where: str
    kind: str


def find(texts: Mapping[str, str], known: Sequence[str] = ()) -> list[Finding]:
    """Return what in `texts` (name to content) must not leave: one finding per text and kind.

    `known` holds secret values of ours. They are looked for as they are, in base64 at every alignment, in
    hex, quoted for URLs and JSON, and with white space in between. Token shapes are looked for as they are
    and inside base64. Slow for megabytes: call it in a thread.
    """
    needles = sorted({form for value in known for form in _forms(value)})
    pattern = re.compile("|".join(map(re.escape, needles))) if needles else None
    return [Finding(where, kind) for where, text in texts.items() for kind in sorted(_kinds(text, pattern))]


def _kinds(text: str, pattern: re.Pattern[str] | None) -> set[str]:
    kinds = {kind for kind, shape in SHAPES if shape.search(text)}
    for decoded in _decoded(text):
        kinds |= {f"{kind} in base64" for kind, shape in SHAPES if shape.search(decoded)}
    if pattern and (pattern.search(text) or pattern.search(re.sub(r"\s+", "", text))):
        kinds.add("one of Journeyman's own secrets")
    return kinds


def _forms(value: str) -> Iterable[str]:
    """Yield the spellings of a value; of one with several lines, those of each line that is long enough."""
    whole = re.sub(r"\s+", "", value)
    lines = [line.strip() for line in re.split(r"\s*(?:\n|\\n)\s*", value)]
    parts = [whole, value.strip(), *lines] if len(lines) > 1 else [whole, value.strip()]
    for part in parts:
        if len(part) < SHORTEST or ARMOUR.fullmatch(part):
            continue
        raw = part.encode()
        yield from (part, quote(part, safe=""), raw.hex(), raw.hex().upper())
        yield from (json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1])
        yield from _base64_forms(raw)


def _base64_forms(raw: bytes) -> Iterable[str]:
    """Yield the characters that only `raw` decides, for each place that it can have in a longer text."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        first = (0, 2, 3)[shift]
        last = len(encoded) - (1 if (shift + len(raw)) % 3 else 0)
        inner = encoded[first:last]
        if len(inner) >= SHORTEST:
            yield from (inner, inner.replace("+", "-").replace("/", "_"))


def _decoded(text: str) -> Iterable[str]:
    """Yield what runs of base64 say, each also with its line breaks taken out."""
    joined = re.sub(r"(?<=[A-Za-z0-9+/_-])\r?\n[ \t>]*(?=[A-Za-z0-9+/_=-])", "", text)
    for run in itertools.chain(ENCODED.findall(text), ENCODED.findall(joined) if joined != text else ()):
        plain = run.replace("-", "+").replace("_", "/").rstrip("=")
        for start in range(4):  # a run may begin with letters that belong to a name before it
            part = plain[start:]
            part = part[: len(part) - 1] if len(part) % 4 == 1 else part
            yield base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")
