"""Decide what of raw HTML a page shows: text and elements, but no comment and no attribute."""

import re

from bot.words import glyphs

LONGEST_ADDRESS = 1_000

# A tag as browsers read it (WHATWG HTML, 13.2.5): whatever is no value is the name of an attribute.
_ATTRIBUTE_NAME = r"(?:=[^\s/>=]*+|[^\s/>=]++)"
_VALUE = r"(?:\"[^\"]*+\"|'[^']*+'|[^\s>\"'][^\s>]*+|(?=>))"
_REST = re.compile(rf"(?:[\s/]++|{_ATTRIBUTE_NAME}(?:\s*+=\s*+{_VALUE}|(?!\s*+=)))*+>?")
_TAG = re.compile(rf"<(?P<name>/?[A-Za-z][^\s/>]*+)(?P<rest>{_REST.pattern})")
_OPEN_VALUE = re.compile(rf"{_ATTRIBUTE_NAME}\s*+=\s*+([\"'])")
_COMMENT_END = re.compile(r"--!?>")
_ATTRIBUTE = re.compile(r"[\s/]([A-Za-z_:@][\w:.-]*+)\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s\"'=<>`]++)")
_NAME = re.compile(f"/?{glyphs.NAME}")
_WEB = re.compile(r"https?://[^\s\"'<>`]+", re.IGNORECASE)


def shown(raw: str, still: str = "") -> tuple[str, str]:
    """Return what is seen of *raw*, and what has yet to come for the page to show anything again.

    The second is ``-->`` or a quotation mark when *raw* ends within a comment or a value (all that follows it
    is hidden until then); *still* is what an earlier piece left open. Of a tag its name is kept, also of an
    unknown element (``List<String>``; at most three words, so that it tells no story), and a web address.
    """
    out: list[str] = []
    at = 0
    if still:
        at, still = _resumed(raw, still)
    while (found := raw.find("<", at)) >= 0:
        out.append(glyphs.decoded(raw[at:found]))
        piece, at, still = _markup(raw, found)
        out.append(piece)
    return "".join([*out, glyphs.decoded(raw[at:])]), still


def _markup(raw: str, at: int) -> tuple[str, int, str]:
    """Return what is kept of the markup at *at*, where it ends, and what it leaves open."""
    if raw.startswith("<!--", at):
        return "", *_comment(raw, at)
    if tag := _TAG.match(raw, at):
        if tag["rest"].endswith(">"):
            return _bare(tag), tag.end(), ""
        return "", len(raw), _left_open(raw, tag.end())
    if re.match(r"[!?]|/[^>]", raw[at + 1 : at + 3]):
        return "", raw.find(">", at) + 1 or len(raw), ""  # to browsers it is a comment up to the next bracket
    return "<", at + 1, ""


def _comment(raw: str, at: int) -> tuple[int, str]:
    body = at + 4
    if raw.startswith((">", "->"), body):
        return raw.index(">", body) + 1, ""
    ending = _COMMENT_END.search(raw, body)
    return (ending.end(), "") if ending else (len(raw), "-->")


def _resumed(raw: str, still: str) -> tuple[int, str]:
    """Return where *raw* shows something again after what was left open before it."""
    if still == "-->":
        ending = _COMMENT_END.search(raw)
        return (ending.end(), "") if ending else (len(raw), still)
    quote = raw.find(still)
    rest = _REST.match(raw, quote + 1) if quote >= 0 else None
    if rest is None:
        return len(raw), still
    return (rest.end(), "") if rest.group().endswith(">") else (len(raw), _left_open(raw, rest.end()))


def _left_open(raw: str, at: int) -> str:
    value = _OPEN_VALUE.match(raw, at)
    return value[1] if value else ""


def _bare(tag: re.Match[str]) -> str:
    """Return the tag with its name and addresses alone, nothing where the name is none."""
    name = tag["name"]
    if not _NAME.fullmatch(name):
        return ""
    addresses = [
        f' {kind.lower()}="{address}"'
        for kind, value in _ATTRIBUTE.findall(tag["rest"])
        if kind.lower() in {"href", "src"}
        and _WEB.fullmatch(address := glyphs.decoded(value.strip("\"'")))
        and len(address) <= LONGEST_ADDRESS
    ]
    return f"<{name}{''.join(addresses)}{'/' if tag['rest'].endswith('/>') else ''}>"
