"""Decide what the text of a variable means, and what of it is malformed."""

import base64
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bot.engine import signature

Parser = Callable[[str], Any]


def text(value: str) -> str:
    """Return the text without blanks around it. Raises ValueError otherwise."""
    return value.strip()


def whole(least: int, most: int = 10**9) -> Parser:
    """Return what reads a whole number within those bounds."""

    def parse(value: str) -> int:
        number = int(value)
        if not least <= number <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return number

    return parse


def above_zero(unit: str) -> Parser:
    """Return what reads a number above 0 of that unit."""

    def parse(value: str) -> float:
        number = float(value)
        if not 0 < number < 10**7:
            raise ValueError(f"must be a number of {unit} above 0")
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
    parts = urlsplit(value.strip())
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be an http:// or https:// address")
    return value.strip().rstrip("/")


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
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]


def path(value: str) -> str:
    """Return the path of a route. Raises ValueError otherwise."""
    if not value.startswith("/") or "?" in value or "#" in value:
        raise ValueError("must be a path that begins with /")
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
