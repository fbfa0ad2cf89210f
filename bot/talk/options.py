"""Decide which options each command takes, and which values they may have."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

MOST_USD = Decimal(1000)
PROOFS = ("required", "preferred", "off")
STARTS = ("plan", "code", "tests")

_MONEY = re.compile(r"\$?([0-9]{1,6}(?:\.[0-9]{0,6})?|\.[0-9]{1,6})(?:\$|usd)?", re.IGNORECASE)
_MODEL = re.compile(r"[A-Za-z0-9._:-]{1,100}")


@dataclass(frozen=True)
class Wrong:
    """An option that can't be used: the key (an argument) or ``key=value`` (a value), and what may be."""

    kind: str  # argument | value
    unknown: str
    suggestion: str | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """One ``key=value``: how a value is checked, and what is said of the values it takes."""

    accept: Callable[[str], str | None]  # the canonical value, or None
    values: tuple[str, ...]


def _money(text: str) -> str | None:
    found = _MONEY.fullmatch(text)
    amount = Decimal(found[1]) if found else Decimal(0)
    return format(amount.normalize(), "f") if 0 < amount <= MOST_USD else None


def _model(text: str) -> str | None:
    return text if _MODEL.fullmatch(text) else None


def _one_of(words: tuple[str, ...]) -> Option:
    return Option(lambda text: text.lower() if text.lower() in words else None, words)


OPTIONS: Mapping[str, Option] = {
    "model": Option(_model, ("the name of a model, such as claude-opus-5-5",)),
    "budget": Option(_money, (f"US dollars, above 0 and at most {MOST_USD}",)),
    "proof": _one_of(PROOFS),
    "from": _one_of(STARTS),
}
TAKES: Mapping[str, tuple[str, ...]] = {
    "run": ("model", "budget", "proof"),
    "stop": (),
    "pause": (),
    "resume": (),
    "retry": ("from", "budget", "proof"),
    "test": (),
    "status": (),
    "config": (),
    "help": (),
}
WORDS = tuple(TAKES)


def check(word: str, given: list[str]) -> Mapping[str, str] | Wrong:
    """Return the options of the command *word* in their canonical form, or the first that is wrong."""
    taken: dict[str, str] = {}
    for one in given:
        key, sign, value = one.rstrip(",;").partition("=")
        key = key.lower()
        if key not in TAKES[word]:
            close = difflib.get_close_matches(key[:60], TAKES[word], 1)
            return Wrong("argument", key if sign else one, close[0] if close else None, TAKES[word])
        if key in taken:
            return Wrong("argument", key, None, TAKES[word])
        accepted = OPTIONS[key].accept(value)
        if accepted is None:
            return Wrong("value", f"{key}={value}", _meant(key, value), OPTIONS[key].values)
        taken[key] = accepted
    return taken


def _meant(key: str, value: str) -> str | None:
    close = difflib.get_close_matches(value.lower()[:60], OPTIONS[key].values, 1)
    return f"{key}={close[0]}" if close and key in {"proof", "from"} else None
