"""Decide what the text of a variable means, and what of it is malformed."""

import base64
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from yarl import URL

from bot.claude import prices
from bot.engine import signature

MOST_PORT = 65_535
_MOST = 10**7  # of a number with a unit
Parser = Callable[[str], Any]


def text(value: str) -> str:
    """Return the text without blanks around it. Raises ValueError otherwise."""
    return value.strip()


def whole(least: int, most: int = 10**9) -> Parser:
    """Return what reads a whole number within those bounds."""

    def parse(value: str) -> int:
        # int() by itself takes 1_0, and says in its own words what it does not take.
        number = int(value) if re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value) else None
        if number is None or not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return parse


def above_zero(unit: str) -> Parser:
    """Return what reads a number above 0 of that unit."""

    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = 0
        if not 0 < number < _MOST:
            raise ValueError(f"must be a number of {unit} above 0 and below {_MOST}")
        return number

    return parse


def dollars(value: str) -> Decimal:
    """Return an amount in US dollars above 0. Raises ValueError otherwise."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("must be an amount in USD, as 5.00") from None
    if not (number.is_finite() and number > 0):
        raise ValueError("must be an amount above 0")
    return number


def url(value: str) -> str:
    """Return an http or https address without a slash at its end. Raises ValueError otherwise."""
    text = value.strip()
    try:
        address = URL(text)  # which is how it will be read when it is called
        usable = address.scheme in {"http", "https"} and address.host and address.port
    except ValueError:  # a port above 65535, half of an IPv6 address, a name that no host can have
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise ValueError("must be an http:// or https:// address")
    if "?" in text or "#" in text:
        raise ValueError("must be an address without ? and #")
    return text.rstrip("/")


def database(value: str) -> str:
    """Return the address of a database that lasts. Raises ValueError otherwise."""
    text = value.strip()
    if not text.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("must begin with postgresql:// or sqlite:///")
    try:
        address = make_url(text)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        address = None
    if address is None or (address.port or 0) > MOST_PORT:
        raise ValueError("must be postgresql://USER:PASSWORD@HOST:PORT/NAME or sqlite:///FILE")
    in_memory = address.database in {None, "", ":memory:"} or address.query.get("mode") == "memory"
    if text.startswith("sqlite:") and in_memory:
        raise ValueError("must name a file, as sqlite:////srv/journeyman.sqlite")
    return text


def folder(value: str) -> Path:
    """Return the path of a folder, which need not exist. Raises ValueError otherwise."""
    try:
        return Path(value.strip()).expanduser()
    except RuntimeError:
        raise ValueError("must be a path without ~: there is no such home folder") from None


def folders(value: str) -> tuple[str, ...]:
    """Return the paths between commas. Raises ValueError otherwise."""
    return tuple(str(folder(part)) for part in texts(value))


def model(value: str) -> str:
    """Return a model whose calls we can price. Raises ValueError otherwise."""
    try:
        prices.tariff(value.strip())
    except prices.NoPrice:
        known = ", ".join(prices.TARIFFS)
        raise ValueError(f"must be a model whose price is known: {known}") from None
    return value.strip()


def texts(value: str) -> tuple[str, ...]:
    """Return the parts between commas. Raises ValueError otherwise."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def one_of(*words: str) -> Parser:
    """Return what reads one of those words."""

    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value.lower()

    return parse


def flag(value: str) -> bool:
    """Return whether it says yes. Raises ValueError otherwise."""
    word = value.strip().lower()
    if word not in {"1", "true", "yes", "0", "false", "no"}:
        raise ValueError("must be 1 or 0")
    return word in {"1", "true", "yes"}


def path(value: str) -> str:
    """Return the path of a route. Raises ValueError otherwise."""
    if not value.startswith("/") or set(value) & set("?#{}"):  # braces are a pattern to the router
        raise ValueError("must be a path that begins with /, without ?, #, { and }")
    return value


def pem(value: str) -> str:
    """Return the PEM text of an RSA key, given with real or literal newlines, CRLF, or as base64 of the file.

    Raises ValueError for anything else.
    """
    text = value.strip()
    try:
        if "-----BEGIN" not in text:
            text = base64.b64decode("".join(text.split()), validate=True).decode()
        text = text.replace("\\n", "\n").replace("\r\n", "\n").strip() + "\n"
        is_rsa = isinstance(serialization.load_pem_private_key(text.encode(), password=None), RSAPrivateKey)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it wants a password
        is_rsa = False
    if not is_rsa:  # what GitHub gives, and what RS256 needs
        raise ValueError("must be the App's RSA private key as GitHub gave it: PEM, or base64 of that")
    return text


def rate(value: str) -> str:
    """Return a number of requests in a span of time, as 60/min. Raises ValueError otherwise."""
    if not re.fullmatch(r"[1-9]\d{0,8}/(s|min|h)", value.strip()):
        raise ValueError("must be a number of requests per s, min or h, as 60/min")
    return value.strip()


def notify_secret(value: str) -> str:
    """Return the secret that signs notifications. Raises ValueError for one that signs nothing safely."""
    signature.key(value.strip())
    return value.strip()
