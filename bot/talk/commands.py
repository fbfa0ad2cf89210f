"""Decide what a person's comment asks for: commands, words that only look like them, and guidance."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot.talk import markdown, options
from bot.words import glyphs, ingoing, redaction

MOST_COMMANDS = 5  # of one comment
SHOWN = 200  # characters of a line, for quoting
_READ = 500  # characters of a line that are looked at
_UNKNOWN = 60

# What a word that we don't know may have meant although it looks different.
_MEANT = {
    **dict.fromkeys(("cancel", "abort", "halt", "quit", "kill"), "stop"),
    **dict.fromkeys(("continue", "unpause"), "resume"),
    **dict.fromkeys(("rerun", "redo"), "retry"),
    **dict.fromkeys(("settings", "configuration"), "config"),
    "start": "run",
    "commands": "help",
}
_CLOSE, _VERY_CLOSE = 0.6, 0.75  # difflib's ratio: for a slash, for a mention in free text
_URGENT = frozenset({"cancel", "abort", "halt", "quit"})  # not to be taken for a wish about the code
# What may stand around a command and changes nothing.
_POLITE = frozenset(("please", "pls", "plz", "kindly", "now", "immediately", "asap", "thanks", "thank", "you",
                     "thx", "ty", "it", "this", "here", "again"))  # fmt: skip
_THANKS = frozenset({"thanks", "thank", "thx", "ty", "cheers"})
_PRAISE = _THANKS | {"you", "so", "very", "much", "a", "lot", "nice", "great", "good", "awesome", "perfect",
                     "amazing", "well", "work", "job", "done", "again"}  # fmt: skip
_ASKS = frozenset({"status", "config", "help"})  # what a question may ask for
# What is obeyed whatever is said beside it: people say why, and a stop that is not obeyed costs money.
_RESTS = frozenset({"stop", "pause"})
_WITH_REASON = _RESTS | {"resume"}  # after a mention that may say how to go on, and is free text
_PARTS = (",", ".", ";", ":", "!")  # after the word that follows a mention, these set it apart from the rest
_WHY = frozenset({"because", "since", "-", "--", "\u2013", "\u2014"})


@dataclass(frozen=True)
class Command:
    """A command as it counts: the word in lower case, its options checked and in their canonical form."""

    word: str
    options: Mapping[str, str] = field(default_factory=dict)
    line: str = ""  # as typed, for quoting


@dataclass(frozen=True)
class Misread:
    """A line that was meant as a command and isn't one.

    Of an argument, ``unknown`` is the key that the command ``word`` doesn't take, or takes once and was given
    again; of a value, it is ``key=value`` as typed. ``allowed`` names what may stand in its place.
    """

    line: str
    unknown: str
    kind: str  # command | argument | value
    suggestion: str | None = None
    allowed: tuple[str, ...] = ()
    word: str = ""


@dataclass(frozen=True)
class Heard:
    """All that a comment says to us."""

    commands: tuple[Command | Misread, ...] = ()  # the first five, in the order of the text
    left_out: int = 0  # how many more there were
    guidance: str = ""  # the whole comment, cleaned, without its command lines; empty unless we are mentioned
    mentioned: bool = False  # to say something that is no command


def read(body: str, slug: str, prefix: str = "journeyman", *, beside: bool = False) -> Heard:
    """Return what *body*, a comment's Markdown, says to the App called *slug*; never raises for any text.

    A command stands at the start of a line (up to three blanks before it) of a paragraph that is part of no
    quote, list, code, heading, table, link or HTML, and its sign, ``/prefix`` or ``@slug``, is written as
    itself: neither entities, escapes nor invisible characters make one; around it they hide none. A mention
    alone on its line asks for help if the comment says nothing else; where other texts stand *beside* it, as
    in a review, it points at them. Who only thanks us asks for nothing. Takes up to 0.2 s for 64 KB: call it
    in a thread. (Contract, section 6.)
    """
    signs = _Signs(slug.removesuffix("[bot]"), prefix)
    if not signs.anywhere.search(body):
        return Heard()
    source = markdown.source_lines(body)
    found = list(_found(source, signs))
    taken = {number for number, item in found if item is not None}
    bare = {number for number, item in found if item is None and number is not None}
    guidance = ""
    if any(item is None for _, item in found):
        kept = [line for number, line in enumerate(source) if number not in taken]
        guidance = _guidance("\n".join(kept), signs)
    mentioned = bool(guidance) or (beside and bool(bare))
    items = [
        item or Command("help", {}, _typed(source[number or 0]))
        for number, item in found
        if item is not None or (number in bare and not mentioned)
    ]
    return Heard(
        tuple(items[:MOST_COMMANDS]), max(0, len(items) - MOST_COMMANDS), guidance, mentioned=mentioned
    )


class _Signs:
    """How we are spoken to."""

    def __init__(self, slug: str, prefix: str) -> None:
        name = rf"@{re.escape(slug)}(?:\[bot\])?" if slug else r"(?!)"
        # As GitHub reads it: `@slug.` ends a sentence; `@slug.com`, `@slug/team` and `@slug-x` are others.
        self.mention = re.compile(rf"(?<![\w@/]){name}(?![\w/-]|\.\w)", re.IGNORECASE)
        self.slash = re.compile(rf" {{0,3}}/{re.escape(prefix)}", re.IGNORECASE)
        self.called = re.compile(rf" {{0,3}}{name}[:,]?", re.IGNORECASE)
        self.anywhere = re.compile(rf"/{re.escape(prefix)}|{name}", re.IGNORECASE)


def _found(source: list[str], signs: _Signs) -> Iterator[tuple[int | None, Command | Misread | None]]:
    """Yield each command with its line; a bare mention as its line alone, another mention as (None, None)."""
    for line in markdown.paragraphs(source, signs.anywhere):
        raw = source[line.number] if line.top else ""
        if (rest := _after(signs.slash, raw, line.shown)) is not None:
            yield line.number, _ordered(rest, _typed(raw))
        elif (rest := _after(signs.called, raw, line.shown)) is not None:
            item = _asked(rest, _typed(raw)) if len(rest) < _READ else None
            yield (None, None) if rest.strip() and item is None else (line.number, item)
        elif signs.mention.search(_without_addresses(line.said)):
            yield None, None


def _after(sign: re.Pattern[str], raw: str, shown: str) -> str | None:
    """Return what follows the sign if the line begins with it, as typed and as shown, else None."""
    found = sign.match(glyphs.begin(shown)) if sign.match(glyphs.begin(raw)) else None
    if found is None:
        return None
    rest = glyphs.visible(found.string[found.end() :])
    return rest if not rest or rest[0].isspace() else None


def _without_addresses(text: str) -> str:
    return " ".join(word.partition("://")[0] for word in text.split()) if "://" in text else text


def _ordered(rest: str, line: str) -> Command | Misread:
    """Return what a line with the slash asks for; every such line is meant for us."""
    words = _words(rest)
    while words and words[0].lower() in _POLITE:
        words = words[1:]
    if not words:
        return Command("help", {}, line)
    word = _bare(words[0])
    if word not in options.TAKES:
        return _unknown(words[0], line, _CLOSE)
    given = _unpolite(words[1:])
    if word in _WITH_REASON and not _all_options(given):
        return Command(word, {}, line)
    return _with_options(word, given, line)


def _asked(said: str, line: str) -> Command | Misread | None:
    """Return the command that follows a mention, or None when it is free text."""
    words = _words(said)
    while words and words[0].lower().strip(",") in {"please", "pls", "plz", "kindly"}:
        words = words[1:]
    if not words:
        return None
    word, rest = _bare(words[0]), _unpolite(words[1:])
    if word not in options.TAKES:
        likely = len(words) == 1 and len(word) > 2
        found = _unknown(words[0], line, _VERY_CLOSE) if likely else None
        return found if found is not None and (found.suggestion and _close(word)) else None
    if said.rstrip().endswith("?") and word not in _ASKS:
        return None
    if _all_options(rest):
        return _with_options(word, rest, line)
    return Command(word, {}, line) if word in _RESTS and _is_set_apart(words) else None


def _is_set_apart(words: list[str]) -> bool:
    """Whether the first word stands for itself, and what follows only says why."""
    return words[0].endswith(_PARTS) or words[1].lower().strip(",") in _WHY


def _all_options(given: list[str]) -> bool:
    return all("=" in one for one in given)


def _close(word: str) -> bool:
    return word in _URGENT or bool(difflib.get_close_matches(word, options.WORDS, 1, _VERY_CLOSE))


def _with_options(word: str, given: list[str], line: str) -> Command | Misread:
    checked = options.check(word, given)
    if isinstance(checked, options.Wrong):
        return Misread(line, _shown(checked.unknown), checked.kind, checked.suggestion, checked.allowed, word)
    return Command(word, checked, line)


def _unknown(given: str, line: str, cutoff: float) -> Misread:
    word = _bare(given)[:_UNKNOWN]
    close = difflib.get_close_matches(word, options.WORDS, 1, cutoff)
    suggestion = close[0] if close else _MEANT.get(word)
    return Misread(line, _shown(given), "command", suggestion, options.WORDS)


def _words(text: str) -> list[str]:
    """Return the words of a line's beginning; `key = value` is one."""
    return re.sub(r"\s*=\s*", "=", text[:_READ]).split()


def _bare(word: str) -> str:
    return word.lower().rstrip(".!?,;:")


def _unpolite(words: list[str]) -> list[str]:
    """Return *words* without what changes nothing: politeness, punctuation, signs of mood."""
    return [
        one
        for one in words
        if _bare(one) not in _POLITE and (any(sign.isalnum() for sign in one) or "=" in one)
    ]


def _guidance(text: str, signs: _Signs) -> str:
    """Return the text as the model may read it, nothing when it only names or thanks us."""
    cleaned = ingoing.clean(text)
    words = re.findall(r"\w+", signs.mention.sub(" ", cleaned.text).lower())
    if not words or (_THANKS.intersection(words) and _PRAISE.issuperset(words)):
        return ""
    return cleaned.noticed


def _typed(raw: str) -> str:
    return _cut(raw, SHOWN)


def _shown(given: str) -> str:
    return _cut(given.replace(markdown.OTHER, ""), _UNKNOWN)


def _cut(text: str, limit: int) -> str:
    text = redaction.make_safe(text).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"
