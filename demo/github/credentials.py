"""The credentials decide who asks: the App by its JWT, an installation by its token, or nobody."""

import base64
import binascii

import jwt

from demo.github.app import Token
from demo.github.call import Refusal
from demo.github.state import State

LONGEST_JWT = 600  # docs.github.com: "no more than 10 minutes into the future"
EXPIRED = (
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the "
    "assertion expires"
)
ISSUED = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"


def of_app(state: State, text: str) -> None:
    """Accept a JWT of the App; raises Refusal 401 with GitHub's words for what is wrong with it."""
    try:
        claims = jwt.decode(
            text,
            state.app.public_key,
            algorithms=["RS256"],
            options={
                "verify_exp": False,
                "verify_iat": False,
                "verify_iss": False,
                "require": ["iss", "exp"],
            },
        )
    except jwt.PyJWTError as error:
        raise Refusal(401, "A JSON web token could not be decoded") from error
    now = state.now()
    if str(claims["iss"]) not in (str(state.app.id), f"Iv23li{state.app.id:014d}"):
        raise Refusal(401, "Integration not found")
    if not isinstance(claims["exp"], int | float) or claims["exp"] > now + LONGEST_JWT + 5:
        raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
    if claims["exp"] <= now:
        raise Refusal(401, EXPIRED)
    if not isinstance(claims.get("iat"), int | float) or claims["iat"] > now + 5:
        raise Refusal(401, ISSUED)


def of_installation(state: State, text: str) -> Token:
    """Return the token's facts; raises Refusal 401 when unknown or expired, 403 when suspended."""
    token = state.tokens.get(text)
    if token is None or token.expires <= state.now():
        raise Refusal(401, "Bad credentials")
    if token.installation.suspended_at:
        raise Refusal(403, "This installation has been suspended")
    return token


def bearer(header: str) -> str:
    """Return what follows `Bearer` or `token`; raises Refusal 401 when there is nothing of the kind."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() not in ("bearer", "token") or not text:
        raise Refusal(401, "Requires authentication")
    return text.strip()


def basic(header: str) -> str | None:
    """Return the password of a Basic authorization, None when there is none."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None
