"""A private key as GitHub gives one to an App, made once."""

import functools

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


@functools.cache
def pem() -> str:
    """Return an RSA key in PEM."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return _written(key, serialization.NoEncryption())


@functools.cache
def encrypted() -> str:
    """Return an RSA key in PEM that wants a password."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return _written(key, serialization.BestAvailableEncryption(b"password"))


def elliptic() -> str:
    """Return a key in PEM that cannot sign RS256."""
    return _written(ec.generate_private_key(ec.SECP256R1()), serialization.NoEncryption())


def _written(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, how: serialization.KeySerializationEncryption
) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, how).decode()
