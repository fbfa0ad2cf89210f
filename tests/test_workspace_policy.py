"""Hold the publishing rules and the secret scan to what they promise to stop, and to let through."""

import base64
import json
from urllib.parse import quote

import pytest

from bot.workspace import policy, secrets
from bot.workspace.objects import Change

WORKFLOWS = (".github/workflows/**",)
TOKEN = "ghs_" + "123_eyJ.abc-DEF" * 6


def change(
    path: str, *, mode: str = "100644", old: str = "000000", size: int = 10, link: str | None = None
) -> Change:
    status = "D" if mode == "000000" else "A" if old == "000000" else "M"
    return Change(path, status, old, mode, size, 1, 0, "0" * 40, link)


def reasons(one: Change, deny: tuple[str, ...] = WORKFLOWS) -> str:
    return " ".join(violation.why for violation in policy.check([one], deny))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (".github/workflows/ci.yml", "denies `.github/workflows/**`"),
        (".GitHub/Workflows/deep/er/ci.yml", "denies"),
        (".gitmodules", "what git downloads"),
        ("sub/.GITMODULES", "what git downloads"),
        (".GIT/config", "git's own folder"),
        ("a/.git/hooks/x", "git's own folder"),
        ("git~1/config", "git's own folder"),
        ("a/.git. ./x", "git's own folder"),
        (".git::$INDEX_ALLOCATION/x", "git's own folder"),
        (".g\u200cit/config", "git's own folder"),
        ("a\\.git\\config", "git's own folder"),
        ("new\nline", "control or invisible"),
        ("esc\x1b[31m", "control or invisible"),
        ("txt.\u202eexe", "control or invisible"),
        ("zero\u200bwidth", "control or invisible"),
        ("caf\udce9", "not UTF-8"),
        ("x" * 256, "more than 255 bytes"),
    ],
)
def test_names_that_are_refused(path: str, words: str) -> None:
    """A name that hides, misleads, or decides what runs is refused, and the sentence itself is printable."""
    found = policy.check([change(path)], WORKFLOWS)

    assert any(words in one.why for one in found)
    assert all(one.why.isprintable() and one.path.isprintable() for one in found)


@pytest.mark.parametrize(
    "path",
    [
        ".github/journeyman.yml",
        ".gitignore",
        ".gitattributes",
        "gitx/y",
        "src/größe.py",
        "docs/日本語 🎉.md",
        "a b.txt",
        "x" * 255,
    ],
)
def test_names_that_are_fine(path: str) -> None:
    """Ordinary names, in any language, pass."""
    assert policy.check([change(path)], WORKFLOWS) == []


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", "/etc/passwd"),
        ("a", ".."),
        ("a", "../x"),
        ("d/a", "../../x"),
        ("p/q/l", "d/../../x"),
        ("a", ".git/config"),
        ("d/a", "../.GIT/hooks"),
        ("a", ""),
    ],
)
def test_links_that_lead_out(path: str, target: str) -> None:
    """A link that leads out of the repository, or may do so through another link, is refused."""
    assert "leads out" in reasons(change(path, mode="120000", link=target))


@pytest.mark.parametrize(
    ("path", "target"), [("a", "b/c"), ("d/a", "../b"), ("d/e/a", "../../b"), ("a", "./b")]
)
def test_links_that_stay(path: str, target: str) -> None:
    """A link within the repository passes."""
    assert reasons(change(path, mode="120000", link=target)) == ""


def test_sizes_submodules_and_numbers() -> None:
    """A file of more than 5 MiB, a submodule come or gone, and more than 300 files are refused."""
    limit = 5 * 1024 * 1024

    assert reasons(change("a", size=limit)) == ""
    assert "has 5.0 MiB" in reasons(change("a", size=limit + 1))
    assert "submodule" in reasons(change("a", mode="160000"))
    assert "submodule" in reasons(change("a", mode="000000", old="160000"))
    assert policy.check([change(f"f{number}") for number in range(300)]) == []
    assert [one.path for one in policy.check([change(f"f{number}") for number in range(301)])] == [""]


def test_deleting_needs_permission_too() -> None:
    """A denied file may not be deleted; one with an odd name or a submodule's settings is another matter."""
    assert "denies" in reasons(change(".github/workflows/ci.yml", mode="000000", old="100644"))
    assert "what git downloads" in reasons(change(".gitmodules", mode="000000", old="100644"))
    assert reasons(change("odd\nname", mode="000000", old="100644")) == ""


@pytest.mark.parametrize(
    ("glob", "path", "denied"),
    [
        ("vendor", "vendor/x/y.c", True),
        ("vendor/", "lib/vendor/y.c", True),
        ("*.lock", "deep/uv.lock", True),
        ("*.lock", "uv.lock.txt", False),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a/b.py", False),
        ("src/**/*.py", "src/b.py", True),
        ("src/**/*.py", "src/a/b/c.py", True),
        ("**/secrets/**", "a/secrets/b", True),
        ("/Makefile", "Makefile", True),
        ("a?c", "abc", True),
        ("a.c", "abc", False),
        (".github/workflows/**", ".github/workflows", True),
        (".github/workflows/**", ".github/workflows-old/x", False),
    ],
)
def test_globs_of_the_configuration(glob: str, path: str, denied: bool) -> None:
    """A star stays in its folder, two stars don't, and a folder covers what is below it."""
    assert bool(policy.check([change(path)], (glob,))) is denied


FORMS = [
    TOKEN,
    base64.b64encode(TOKEN.encode()).decode(),
    base64.b64encode(b"x" + TOKEN.encode()).decode(),
    base64.b64encode(b"xy" + TOKEN.encode() + b"z").decode(),
    base64.urlsafe_b64encode(f"x-access-token:{TOKEN}".encode()).decode(),
    base64.encodebytes(b"=" + TOKEN.encode() * 2).decode(),
]


@pytest.mark.parametrize("text", FORMS)
def test_tokens_are_found_by_their_shape(text: str) -> None:
    """A token of GitHub's is found as it is and in base64, at each alignment and with line breaks."""
    found = secrets.find({"a.py": f"key = '{text}'\n"})

    assert [one.where for one in found][:1] == ["a.py"]
    assert "GitHub" in found[0].kind
    assert TOKEN not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "ghp_" + "a1" * 18,
        "github_pat_" + "a1B_" * 20,
        "sk-ant-api03-" + "x" * 40,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        "-----BEGIN PRIVATE KEY-----\\nMIIE",
        "AKIA" + "ABCDEFGH23456723",
    ],
)
def test_other_shapes_are_found(text: str) -> None:
    """The shapes of the best-known issuers are found anywhere in a text."""
    assert len(secrets.find({"a": f"x={text};"})) == 1


SECRET = 's3cr&t/"väl+ue"=='
KNOWN = [
    SECRET,
    quote(SECRET, safe=""),
    json.dumps(SECRET),
    SECRET.encode().hex(),
    base64.b64encode(SECRET.encode()).decode(),
    base64.b64encode(b"a" + SECRET.encode() + b"bc").decode(),
    base64.urlsafe_b64encode(b"ab" + SECRET.encode()).decode(),
    "\n".join(SECRET),
    "\n  ".join(base64.b64encode(SECRET.encode()).decode()),
]


@pytest.mark.parametrize("text", KNOWN)
def test_our_own_secrets_are_found_in_disguise(text: str) -> None:
    """A known value is found as it is, quoted, in hex, in base64 and broken over lines."""
    found = secrets.find({"a": f"before {text} after", "b": "nothing"}, ["shorter", SECRET, ""])

    assert [(one.where, one.kind) for one in found] == [("a", "one of Journeyman's own secrets")]
    assert SECRET not in repr(found)


def test_one_line_of_our_key_is_enough() -> None:
    """One line out of a known private key is found, however breaks are written; its armour alone is not."""
    lines = ["MIIEpAIBAAKCAQEA" + letter * 48 for letter in "abc"]
    key = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----", ""])

    assert secrets.find({"a": f"x {lines[1]} y"}, [key])
    assert secrets.find({"a": key.replace("\n", "\\n")}, [key.replace("\n", "\\n")])
    assert secrets.find({"a": "if '-----BEGIN RSA PRIVATE KEY-----' in text:"}, [key]) == []


@pytest.mark.parametrize(
    "text",
    [
        "the ghs_ prefix",
        "sk-ant-",
        "integrity sha512-" + base64.b64encode(bytes(range(64))).decode(),
        "-----BEGIN CERTIFICATE-----\nMIIE",
        "-----BEGIN PUBLIC KEY-----\nMIIE",
        "d41d8cd98f00b204e9800998ecf8427e" * 4,
        "x" * 5000,
    ],
)
def test_ordinary_texts_pass(text: str) -> None:
    """Hashes, certificates and talk about prefixes are no findings."""
    assert secrets.find({"a": text}, ["some known value"]) == []
