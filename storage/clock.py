"""Tell the time and make ids, in the forms that the tables keep."""

import secrets
from datetime import UTC, datetime

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no l, o, 0, 1: people read ids aloud


def now() -> datetime:
    """Return this moment, aware, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return a fresh opaque id of 12 characters (60 bits)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(12))
