"""Decide how text that people wrote on GitHub reaches the model: nothing hidden in it, and marked as data."""

import html
import re
import unicodedata
from dataclasses import dataclass

from bot.words import redaction

LIMIT = 30_000  # characters of one issue or comment
TAG = "untrusted"

_CONTAINER = r"[ \t>]*(?:[-*+][ \t]+|\d+[.)][ \t]+)*"
_FENCE = re.compile(rf"^{_CONTAINER}(?P<ticks>`{{3,}}|~{{3,}})[^`\n]*$")
_HTML_LINE = re.compile(rf"^{_CONTAINER}<[A-Za-z/!?]")
# HTML that goes on over blank lines (CommonMark 0.31, HTML blocks 1 to 5), with what ends it.
_HTML_BLOCK = re.compile(
    rf"(?i)^{_CONTAINER}<(?:(script|pre|style|textarea)\b|(!--)|(\?)|(!\[CDATA\[)|(![a-z]))"
)
_HTML_ENDS = ("</(?:script|pre|style|textarea)>", "-->", r"\?>", r"\]\]>", ">")

_COMMENT_END = re.compile(r"--!?>")
_COMMENT_LINE = re.compile(rf"^{_CONTAINER}<!--", re.MULTILINE)
_CODE_SPAN = re.compile(r"(?<![`\\])(?P<run>`+)(?!`)[^\n]*?(?<!`)(?P=run)(?!`)")
_DEFINITION_TITLE = re.compile(
    r"(?m)^(\s{0,3}\[[^\]\n]+\]:[ \t]*(?:<[^>\n]*>|\S+))[ \t\n]+(?:\"[^\"]*\"|'[^']*'|\([^)]*\))[ \t]*$"
)
_COMMENT_DEFINITION = re.compile(r"(?m)^\s{0,3}\[[^\]\n]+\]:[ \t]*(?:<>|#)[ \t]*$\n?")
_IMAGE = re.compile(r"!\[(?:[^\[\]]|\[[^\[\]]*\])*\](?=[(\[])")
_LINK_TITLE = re.compile(r"(\]\([^()\s]*)\s+(?:\"[^\"]*\"|'[^']*'|\([^)]*\))\s*\)")
_ELEMENT = re.compile(
    r"<(?P<name>[A-Za-z][A-Za-z0-9-]*)(?P<rest>\s(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)(?P<end>/?)>"
)
_ATTRIBUTE = re.compile(r"\s([A-Za-z_:@][\w:.-]*)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+)")
_KNOWN = re.compile(
    r"(?i)(?:a|abbr|b|blockquote|br|center|code|dd|del|details|div|dl|dt|em|font|h[1-6]|hr|i|iframe|img|input|ins"
    r"|kbd|li|object|ol|p|picture|pre|q|s|samp|script|section|small|source|span|strike|strong|style|sub|summary"
    r"|sup|svg|table|tbody|td|textarea|tfoot|th|thead|tr|tt|u|ul|var|video)\Z"
)
_INVISIBLE_BLANK = "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5"  # letters and marks that draw nothing


@dataclass(frozen=True)
class Cleaned:
    """A text as the model may read it, with what was taken away from it."""

    text: str
    invisible: int  # characters removed because they draw nothing
    omitted: int  # characters beyond the limit

    @property
    def noticed(self) -> str:
        """Return the text, and below it what was taken away; a prompt must not hide that."""
        notes = []
        if self.omitted:
            whole = len(self.text) + self.omitted
            notes.append(f"[Cut: the first {len(self.text):,} of {whole:,} characters are shown.]")
        if self.invisible:
            notes.append(f"[{self.invisible:,} invisible characters were removed.]")
        return "\n".join([self.text or "(empty)", *notes])


def wrap(text: str | None, *, source: str, author: str = "", limit: int = LIMIT) -> str:
    """Return *text* cleaned, capped with a notice and enclosed, so that the model sees it as data.

    *source* says where it stands ("issue 42, body"); *author* is a login. Everything from issues, comments
    and reviews passes here before it may become part of a prompt.
    """
    body = re.sub(rf"(?i)<(?=\s*/?\s*{TAG})", "&lt;", clean(text, limit).noticed)
    by = f' author="{_attribute(author)}"' if author else ""
    return "\n".join([f'<{TAG} source="{_attribute(source)}"{by}>', body, f"</{TAG}>"])


def clean(text: str | None, limit: int = LIMIT) -> Cleaned:
    """Return *text* without what a reader on GitHub would not see.

    Entities are decoded first, so that nothing hides behind them. A fenced code block is shown on GitHub as
    it is written and keeps its entities and comments; an inline code span keeps its entities.
    """
    text = text or ""
    most = 4 * limit  # what is hidden rarely fills more, and the work stays bounded
    safe = redaction.make_safe(text[:most])
    visible = _visible(safe)
    invisible = len(safe) - len(visible)
    parts = [part if is_code else _prose(part) for is_code, part in _blocks(visible)]
    whole = re.sub(r"\n{4,}", "\n\n\n", "\n".join(parts)).strip()
    shown = whole[:limit]
    return Cleaned(shown, invisible, len(whole) - len(shown) + max(0, len(text) - most))


def _blocks(text: str) -> list[tuple[bool, str]]:
    """Split *text* into prose and fenced code; inside raw HTML a fence is none, and may be hidden."""
    blocks: list[tuple[bool, list[str]]] = [(False, [])]
    ticks = ends = ""
    in_html = False
    for one in text.split("\n"):
        lines = blocks[-1][1]
        if ticks:
            lines.append(one)
            bare = one.strip().lstrip("> ")
            if len(bare) >= len(ticks) and not bare.strip(ticks[0]):
                ticks = ""
                blocks.append((False, []))
            continue
        if ends or in_html:
            lines.append(one)
            ends = "" if ends and re.search(ends, one, re.IGNORECASE) else ends
            in_html = in_html and bool(one.strip())
        elif opening := _FENCE.match(one):
            blocks.append((True, [one]))
            ticks = opening["ticks"]
        else:
            lines.append(one)
            if block := _HTML_BLOCK.match(one):
                ending = next(end for end, group in zip(_HTML_ENDS, block.groups(), strict=True) if group)
                ends = "" if re.search(ending, one[block.end() :], re.IGNORECASE) else ending
            else:
                # A comment that opens in mid-line hides what follows just as well.
                ends = "-->" if one.rfind("<!--") > one.rfind("-->") else ""
                in_html = bool(_HTML_LINE.match(one))
    return [(is_code, "\n".join(lines)) for is_code, lines in blocks if lines]


def _prose(text: str) -> str:
    """Return text outside code blocks with entities decoded and what they or HTML hide removed."""
    text = _without_comments(text)
    out: list[str] = []
    done = 0
    for span in _CODE_SPAN.finditer(text):
        out += [_decoded(text[done : span.start()]), span.group()]
        done = span.end()
    text = "".join([*out, _decoded(text[done:])])
    text = _without_comments(text)
    text = _COMMENT_DEFINITION.sub("", _DEFINITION_TITLE.sub(r"\1", text))
    text = _LINK_TITLE.sub(r"\1)", _IMAGE.sub("![image]", text))
    return _ELEMENT.sub(_bare_element, text)


def _without_comments(text: str) -> str:
    out: list[str] = []
    done = 0
    while (at := text.find("<!--", done)) >= 0:
        out.append(text[done:at])
        body = at + 4
        if text.startswith((">", "->"), body):
            done = text.index(">", body) + 1
        elif ending := _COMMENT_END.search(text, body):
            done = ending.end()
        else:
            # Open at the start of a line it hides the rest; elsewhere GitHub shows it as text.
            hidden = _COMMENT_LINE.search(text, text.rfind("\n", 0, at) + 1)
            return "".join([*out, text[at : hidden.start() if hidden else len(text)]])
    return "".join([*out, text[done:]])


def _decoded(text: str) -> str:
    for _ in range(5):  # &amp;lt; and deeper
        plain = _visible(html.unescape(text))
        if plain == text:
            break
        text = plain
    return redaction.make_safe(text)


def _bare_element(found: re.Match[str]) -> str:
    """Keep an element's name and addresses; of an unknown one (`<module foo>`) also its bare words."""
    addresses = [
        f' {name.lower()}="{address}"'
        for name, value in _ATTRIBUTE.findall(found["rest"])
        if name.lower() in {"href", "src"} and re.match(r"https?://\S{1,300}$", address := value.strip("\"'"))
    ]
    words = "" if _KNOWN.match(found["name"]) else _ATTRIBUTE.sub("", found["rest"]).rstrip()
    return f"<{found['name']}{words}{''.join(addresses)}{found['end']}>"


def _visible(text: str) -> str:
    """Return *text* without format characters (zero width, bidi), variation selectors and blank letters."""
    if text.isascii():
        return text
    return "".join(one for one in text if not _draws_nothing(one))


def _draws_nothing(one: str) -> bool:
    return (
        unicodedata.category(one) == "Cf"
        or "\ufe00" <= one <= "\ufe0f"
        or "\U000e0000" <= one <= "\U000e0fff"
        or one in _INVISIBLE_BLANK
    )


def _attribute(text: str) -> str:
    return re.sub(r"[^\w #./:,\[\]()-]", "", _visible(text))[:120]
