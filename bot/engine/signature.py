"""Decide how an outbound notification proves that it is ours: the headers of Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: HMAC-SHA256 over
`id.timestamp.body`, keys of 24 to 64 bytes in base64, with or without the prefix `whsec_`.
"""

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
LEAST_CHARACTERS = 8  # of a secret that is not base64


def key(secret: str) -> bytes:
    """Return the signing key that a secret's text stands for; raises ValueError with what it must be.

    One that is no base64 of the standard's length is taken as it is written, which its receiver must do too.
    """
    text = secret.strip()
    bare = text.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if LEAST_BYTES <= len(raw) <= MOST_BYTES:
        return raw
    if text.startswith(PREFIX) or len(text) < LEAST_CHARACTERS:
        raise ValueError(
            f"must be {LEAST_BYTES} to {MOST_BYTES} random bytes in base64: take `openssl rand -base64 32`"
        )
    return text.encode()


def headers(signing_key: bytes, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """Return the three headers of one attempt, made at that moment in seconds since 1970."""
    signed = b".".join((message_id.encode(), str(seconds).encode(), body))
    made = base64.b64encode(hmac.new(signing_key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{made}",
    }
