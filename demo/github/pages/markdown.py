"""The renderer decides how Markdown looks on a page: all is escaped first, then little is let back in."""

import html
import re

_FENCE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[^\n]*\n(?P<code>.*?)^(?P=fence)[`~]*[ \t]*$\n?", re.MULTILINE | re.DOTALL
)
_TAG = "details|summary|sub|sup|b|i|kbd|br|p|code|strong|em|span"
_HARMLESS = "open(?:=&quot;&quot;)?|aria-hidden=&quot;true&quot;"
_ALLOWED = re.compile(rf"&lt;(/?(?:{_TAG}))(?: (?:{_HARMLESS}))?\s*/?&gt;", re.IGNORECASE)
_ENTITY = re.compile(r"&amp;(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});")
_COMMENT = re.compile(r"&lt;!--.*?--&gt;\n?", re.DOTALL)
_LINK = re.compile(r"\[([^\]\n]+)\]\(((?:https?://|/|#)[^)\s&]*(?:&amp;[^)\s&]*)*)\)")
_SPANS = [
    (re.compile(r"\*\*(\S(?:.*?\S)?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"~~(\S(?:.*?\S)?)~~"), r"<del>\1</del>"),
    (re.compile(r"(?<![\w*])[*_](\S(?:[^*_\n]*\S)?)[*_](?![\w*])"), r"<em>\1</em>"),
]
_CODE = re.compile(r"(`+)(.+?)\1(?!`)")
_TAGS = re.compile(r"(?:</?(?:details|summary|p)>)+")
_MARK = "\x1a{}\x1a"
_MARKED = re.compile("\x1a(\\d+)\x1a")
_ITEM = re.compile(r"^(\s*)(?:[-*+]|\d+[.)])\s+(.*)$")
_BOX = re.compile(r"^\[([ xX])\]\s")
_RULE = re.compile(r"^(?:-{3,}|\*{3,}|_{3,})\s*$")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_DASHES = re.compile(r"^\s*\|?[\s:|-]*-[\s:|-]*$")


def render(text: str | None) -> str:
    """Return HTML for a text in Markdown; nothing in it can become markup beyond a fixed few tags."""
    kept: list[str] = []

    def keep(markup: str) -> str:
        kept.append(markup)
        return _MARK.format(len(kept) - 1)

    safe = html.escape((text or "").replace("\x1a", "").replace("\r\n", "\n"))
    safe = _FENCE.sub(
        lambda found: f"\n{keep('<pre><code>' + found['code'] + '</code></pre>')}\n", safe + "\n"
    )
    safe = _COMMENT.sub("", safe)
    safe = _CODE.sub(lambda found: keep(f"<code>{found[2].strip()}</code>"), safe)
    safe = _ALLOWED.sub(lambda found: f"<{found[1].lower()}>", safe)
    safe = _LINK.sub(lambda found: keep(f'<a href="{found[2]}">') + found[1] + "</a>", safe)
    safe = _ENTITY.sub(r"&\1;", safe)  # a character, never markup: tags were let in before
    page = _blocks(safe.split("\n"))
    while _MARKED.search(page):
        page = _MARKED.sub(lambda found: kept[int(found[1])], page)
    return page


def _spans(text: str) -> str:
    for pattern, markup in _SPANS:
        text = pattern.sub(markup, text)
    return text


def _blocks(lines: list[str]) -> str:
    out: list[str] = []
    paragraph: list[str] = []
    at = 0

    def close() -> None:
        if paragraph:
            out.append(f"<p>{_spans('<br>'.join(paragraph))}</p>")
            paragraph.clear()

    while at < len(lines):
        taken, markup = _block(lines, at)
        if taken:
            close()
            out.append(markup)
            at += taken
            continue
        paragraph.append(lines[at].strip())
        at += 1
    close()
    return "\n".join(out)


def _block(lines: list[str], at: int) -> tuple[int, str]:
    """Return how many lines a block takes (0: none starts here) and its markup."""
    line, following = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
    if line.startswith("&gt;"):
        return _quote(lines, at)
    if "|" in line and "|" in following and _DASHES.match(following):
        return _table(lines, at)
    if _ITEM.match(line) and not _RULE.match(line):
        return _list(lines, at)
    markup = _single(line.strip())
    return (0, "") if markup is None else (1, markup)


def _single(line: str) -> str | None:
    """Return the markup of a block of one line, None when the line is part of a paragraph."""
    if heading := _HEADING.match(line):
        level = len(heading[1])
        return f"<h{level}>{_spans(heading[2])}</h{level}>"
    if _RULE.match(line):
        return "<hr>"
    if not line or _MARKED.fullmatch(line) or _TAGS.fullmatch(line):
        return line
    return _spans(line) if line.startswith(("<summary>", "<details>")) else None


def _while(lines: list[str], at: int, pattern: str) -> list[str]:
    taken = []
    for line in lines[at:]:
        if not re.match(pattern, line):
            break
        taken.append(line)
    return taken


def _quote(lines: list[str], at: int) -> tuple[int, str]:
    taken = _while(lines, at, r"&gt;")
    inner = _blocks([re.sub(r"^&gt; ?", "", line) for line in taken])
    return len(taken), f"<blockquote>{inner}</blockquote>"


def _table(lines: list[str], at: int) -> tuple[int, str]:
    taken = _while(lines, at, r".*\|")

    def row(line: str, tag: str) -> str:
        cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
        inner = "".join(
            f"<{tag}>{_spans(cell.strip()).replace(chr(92) + '|', '|')}</{tag}>" for cell in cells
        )
        return f"<tr>{inner}</tr>"

    body = "".join(row(line, "td") for line in taken[2:])
    return len(taken), f"<table><thead>{row(taken[0], 'th')}</thead><tbody>{body}</tbody></table>"


def _list(lines: list[str], at: int) -> tuple[int, str]:
    taken = _while(lines, at, r"\s*(?:[-*+]|\d+[.)])\s+|\s{2,}\S")
    tag = "ol" if taken[0].lstrip()[0].isdigit() else "ul"
    items: list[tuple[int, str]] = []
    for line in taken:
        found = _ITEM.match(line)
        if found:
            items.append((len(found[1]), found[2]))
        else:
            depth, text = items[-1]
            items[-1] = (depth, f"{text}<br>{line.strip()}")
    inner = "".join(f'<li style="margin-left:{depth // 2}em">{_item(text)}</li>' for depth, text in items)
    return len(taken), f"<{tag}>{inner}</{tag}>"


def _item(text: str) -> str:
    box = _BOX.match(text)
    if box is None:
        return _spans(text)
    return f"{'☐' if box[1] == ' ' else '☑'} {_spans(text[box.end() :])}"
