"""Holds the redaction to every form in which a secret may hide."""

import base64
import json
from urllib.parse import quote

import pytest

from bot.words import redaction

TOKEN = "ghs_" + "4711_" + "eyJhbGciOiJSUzI1NiJ9." + "Qw-7_x.9" * 60
OLD = "ghs_" + "A1b2C3d4" * 5
KEY = "sk-" + "ant-api03-" + "Zz9_-yX8wV7" * 6
HOOK = "hunter2-hunter2"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n".format(
    "\n".join(base64.b64encode(bytes((7 * i + j) % 251 for j in range(48))).decode() for i in range(20))
)
KNOWN = {"token": TOKEN, "key": KEY, "hook": HOOK, "pem": PEM}
FORMS = {
    "raw": lambda secret: secret,
    "url": lambda secret: quote(secret, safe=""),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 behind one byte": lambda secret: base64.b64encode(b":" + secret.encode()).decode(),
    "base64 behind two bytes": lambda secret: base64.b64encode(b"x:" + secret.encode() + b"!").decode(),
    "urlsafe base64": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "wrapped base64": lambda secret: base64.encodebytes(secret.encode()).decode(),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "json": lambda secret: json.dumps({"value": secret}),
    "concatenated": lambda secret: f'"{secret[:9]}" + "{secret[9:]}"',
    "in a diff": lambda secret: "+" + "\n+".join(secret[at : at + 30] for at in range(0, len(secret), 30)),
    "coloured": lambda secret: f"{secret[:5]}\x1b[31;1m{secret[5:]}\x1b[0m",
    "in a remote": lambda secret: f"https://x-access-token:{secret}@github.com/o/r.git",
}


def longest_common(secret: str, text: str) -> int:
    """Return the length of the longest piece of *secret* that stands in *text*."""
    best = 0
    for start in range(len(secret)):
        while start + best < len(secret) and secret[start : start + best + 1] in text:
            best += 1
    return best


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", KNOWN)
def test_a_known_value_is_gone_in_every_form(name: str, form: str) -> None:
    """A known secret leaves no piece of eight characters behind, whatever its form."""
    redact = redaction.Redactor.knowing(KNOWN.values())
    shown = FORMS[form](KNOWN[name])

    result = redact(f"before {shown} after")

    body = "".join(KNOWN[name].split("\n")[1:-2]) if name == "pem" else KNOWN[name]
    encoded = [body, base64.b64encode(body.encode()).decode(), body.encode().hex()]
    assert max(longest_common(one, result) for one in encoded) < 8
    assert redaction.PLACEHOLDER in result
    assert result.startswith("before ")
    assert result.endswith(" after")


@pytest.mark.parametrize(
    "text",
    [
        OLD,
        TOKEN,
        "ghp_" + "a" * 36,
        "gho_" + "b" * 36,
        "ghu_" + "c" * 36,
        "ghr_" + "d" * 40,
        "github_pat_" + "11ABCDEFG0_abcdefghijkl",
        KEY,
        "AKIA" + "IOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "dozjgNryP4J3jVmN",
        PEM,
        base64.b64encode(b"x-access-token:" + OLD.encode()).decode(),
    ],
)
def test_a_token_nobody_told_us_of_is_known_by_its_shape(text: str) -> None:
    """Every token shape is redacted without being configured, base64 included."""
    result = redaction.Redactor()(f"({text})")

    assert text.strip() not in result
    assert redaction.PLACEHOLDER in result
    assert longest_common(text, result) < 12


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef123456",
        "authorization: basic YWxhZGRpbjpvcGVu",
        '"x-api-key": "0123456789abcdef"',
    ],
)
def test_the_value_of_a_credential_header_is_gone(text: str) -> None:
    """Headers that carry credentials keep their name and lose their value."""
    result = redaction.Redactor()(text)

    assert result.rstrip('"').endswith(redaction.PLACEHOLDER)
    assert "abcdef" not in result
    assert "YWxhZGR" not in result


@pytest.mark.parametrize(
    "text",
    [
        "def sign(authorization: str | None) -> Basic: ...",
        "a commit 0123456789abcdef0123456789abcdef01234567 and tree c0ffee1",
        "tests/test_dates.py::test_offset_half_hour[+0530] PASSED",
        "https://example.org:8080/a/b?c=d#e",
        "A" * 200,
        "https://github.com/psf/requests/blob/main/src/requests/adapters.py#L10-L20",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    """What only resembles a secret stays as it is."""
    assert redaction.Redactor.knowing([TOKEN, KEY, PEM])(text) == text


def test_a_short_value_is_not_looked_for() -> None:
    """A secret of five characters would garble every text and is not hunted."""
    assert redaction.Redactor.knowing(["abcde", ""])("abcde") == "abcde"


def test_a_fragment_of_a_known_value_is_redacted() -> None:
    """A value that was cut in two by somebody else's limit is still found."""
    redact = redaction.Redactor.knowing([KEY.replace("sk-", "zz-")])

    assert redact(KEY[20:50]) == redaction.PLACEHOLDER


def test_unstorable_characters_are_made_safe() -> None:
    """NUL, lone surrogates, escapes and control characters cannot break a database or JSON."""
    result = redaction.make_safe("a\x00b\ud800c\x1b[31md\x1b]0;title\x07e\x08f\r\ng\rh")

    assert result == "a\u2400b\ufffdcdef\ng\nh"
    assert json.loads(json.dumps(result).encode()) == result


def test_the_known_values_do_not_show_in_a_representation() -> None:
    """A redactor in a log line or a traceback shows no secret."""
    assert HOOK not in repr(redaction.Redactor.knowing([HOOK]))
