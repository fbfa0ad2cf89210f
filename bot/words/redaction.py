"""Decide which parts of a text are secret, whatever form they hide in."""

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

PLACEHOLDER = "[redacted]"

# A known value is looked for in blocks of this many characters, so that a fragment of at least
# 2 * BLOCK - 1 characters is found wherever it was cut; a shorter value is looked for whole.
BLOCK = 12
SHORTEST_KNOWN = 6  # below this a "secret" is an everyday word, and hiding it would garble everything

_ANSI = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # device control, privacy and application strings
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

# What may stand between two pieces of a split value: white space, quotes, string concatenation, diff signs.
_GAP = re.compile(r"[\s\"'`+\\>|,]+")
_GAPLESS = re.compile(r"[^\s\"'`+\\>|,]+")
_PEM_FRAME = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")

_START = r"(?<![A-Za-z0-9])"
# ghs_ tokens are variable since 2026-04 and hold dots and dashes (changelog "stateless" installation tokens).
_TOKENS = (
    r"ghs_[A-Za-z0-9._-]{36,}",
    r"gh[pour]_[A-Za-z0-9]{36,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"sk-ant-[A-Za-z0-9_-]{16,}",
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    r"xox[abeprs]-[A-Za-z0-9-]{10,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-AgE[A-Za-z0-9_-]{50,}",
    r"AIza[A-Za-z0-9_-]{35}",
)
_TOKEN = re.compile(_START + "(?:" + "|".join(_TOKENS) + ")")
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----"
    r"(?:.{0,8000}?-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----"
    r"|(?:(?:\\n|[\s+>|\"',-])*[A-Za-z0-9+/=]{16,})*)",
    re.DOTALL,
)
_HEADER = re.compile(
    r"(?i)((?:proxy-)?authorization|x-api-key|private-token|aws_secret_access_key)"
    r"([\"']?\s*[:=]\s*[\"']?)"
    r"(?:(?:basic|bearer|token|digest|negotiate)\s+[^\s\"'{$<]{6,}|[^\s\"'{$<]{16,})"
)
_USERINFO = re.compile(r"(://)[^\s/@:\"']*:[^\s/@\"']+(?=@)")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_TOKEN_BYTES = re.compile("|".join((*_TOKENS, "-----BEGIN [A-Z ]*PRIVATE KEY")).encode())


def make_safe(text: str) -> str:
    """Return *text* without terminal escapes and in characters that every database and JSON parser takes.

    NUL becomes a visible sign, a lone surrogate U+FFFD; other control characters vanish.
    """
    text = _ANSI.sub("", text.replace("\r\n", "\n")).replace("\r", "\n").replace("\x00", "\u2400")
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", text))


@dataclass(frozen=True)
class Redactor:
    """Knows the secret values of this process; calling it returns a text without them or any token shape."""

    needles: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def knowing(cls, values: Iterable[str]) -> "Redactor":
        """Build the forms to look for from the secret *values* as configured."""
        found = {needle for value in values for needle in _forms(value)}
        return cls(tuple(sorted(found, key=lambda needle: (-len(needle), needle))))

    def __call__(self, text: str) -> str:
        """Return *text* made safe, with known values, token shapes and their encodings replaced."""
        text = self._known(make_safe(text))
        text = _PEM.sub(PLACEHOLDER, text)
        text = _HEADER.sub(rf"\1\2{PLACEHOLDER}", text)
        text = _USERINFO.sub(rf"\1{PLACEHOLDER}", text)
        text = _TOKEN.sub(PLACEHOLDER, text)
        return _ENCODED.sub(_decoded, text)

    def _known(self, text: str) -> str:
        if not self.needles:
            return text
        compact = _GAP.sub("", text)
        spans = sorted({span for needle in self.needles for span in _fragments(compact, needle)})
        if not spans:
            return text
        pieces = list(_GAPLESS.finditer(text))
        offsets: list[int] = []  # where each piece starts in `compact`
        total = 0
        for piece in pieces:
            offsets.append(total)
            total += len(piece.group())

        def place(index: int) -> int:
            at = bisect_right(offsets, index) - 1
            return pieces[at].start() + index - offsets[at]

        return _blot(text, ((place(start), place(end - 1) + 1) for start, end in spans))


def _forms(value: str) -> Iterator[str]:
    """Yield how *value* may appear, gaps removed: as it is, URL-quoted, hexadecimal, base64."""
    value = value.strip()
    if len(value) < SHORTEST_KNOWN:
        return
    body = _PEM_FRAME.sub("", value.replace("\\n", "\n"))
    raw = body.encode("utf-8", "surrogatepass")
    forms = {body, quote(body, safe=""), quote_plus(body), raw.hex(), raw.hex().upper()}
    whole = value.encode("utf-8", "surrogatepass")
    for data in {raw, whole}:
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
            # The first and last characters depend on the neighbours' bits.
            core = encoded[(shift * 8 + 5) // 6 : len(encoded) if (shift + len(data)) % 3 == 0 else -1]
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    for form in forms:
        compact = _GAP.sub("", form)
        if len(compact) >= SHORTEST_KNOWN:
            yield compact


def _fragments(text: str, needle: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of *text* that hold the needle, or a long enough part of it."""
    if len(needle) < 2 * BLOCK:
        start = text.find(needle)
        while start >= 0:
            yield start, start + len(needle)
            start = text.find(needle, start + 1)
        return
    for offset in range(0, len(needle) - BLOCK + 1, BLOCK):
        block = needle[offset : offset + BLOCK]
        at = text.find(block)
        while at >= 0:
            left, right = 0, BLOCK
            while left < min(offset, at) and text[at - left - 1] == needle[offset - left - 1]:
                left += 1
            while (
                at + right < len(text)
                and offset + right < len(needle)
                and text[at + right] == needle[offset + right]
            ):
                right += 1
            if left + right >= BLOCK + 4:
                yield at - left, at + right
            at = text.find(block, at + right)


def _blot(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return *text* with each of the sorted, possibly overlapping *spans* replaced once."""
    parts: list[str] = []
    done = 0
    for start, end in spans:
        if end <= done:
            continue
        if start >= done:
            parts += [text[done:start], PLACEHOLDER]
        done = end
    return "".join(parts) + text[done:]


def _decoded(match: re.Match[str]) -> str:
    """Replace a base64 run when what it encodes holds a token, at whichever alignment."""
    run = match.group().rstrip("=").replace("-", "+").replace("_", "/")
    for skip in range(4):
        part = run[skip:]
        part = part[: len(part) // 4 * 4] if len(part) % 4 == 1 else part + "=" * (-len(part) % 4)
        try:
            if _TOKEN_BYTES.search(base64.b64decode(part)):
                return PLACEHOLDER
        except binascii.Error:
            continue
    return match.group()
