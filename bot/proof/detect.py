"""Decide which runner a repository's tests need, and with which command."""

import configparser
import fnmatch
import posixpath
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bot.proof.runner import COMMAND, PYTEST, Runner

Read = Callable[[str], bytes | None]

CONFIGURATION = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")  # all that is read
_WRAPPERS = (
    "uv",
    "poetry",
    "pdm",
    "pipenv",
    "hatch",
    "rye",
)  # with `run`; the environment is on PATH already
_WRAPPER_VALUES = frozenset(
    {
        "-p",
        "--python",
        "--with",
        "--with-editable",
        "--with-requirements",
        "--extra",
        "--group",
        "--only-group",
    }
    | {"--no-group", "--package", "--project", "--directory", "--env-file", "--index", "--default-index"}
    | {"--index-url", "-e", "--env", "-C", "-P"}
)
_SHELL = frozenset("|&;<>()$`\n*?~#")
# pytest options whose value is the next word, and those among them that fit a run of chosen files
_VALUES = frozenset(
    {"-c", "-p", "-o", "-k", "-m", "-n", "-r", "-W", "--rootdir", "--import-mode", "--ds", "--confcutdir"}
    | {
        "--override-ini",
        "--ignore",
        "--ignore-glob",
        "--deselect",
        "--maxfail",
        "--tb",
        "--capture",
        "--timeout",
    }
    | {"--log-level", "--durations", "--junitxml", "--junit-xml", "--cov", "--dist", "--asyncio-mode"}
)
_KEPT = frozenset(
    {"-c", "-p", "-o", "-W", "--import-mode", "--ds", "--confcutdir", "--override-ini", "--asyncio-mode"}
)


def runner(files: Sequence[str], read: Read, configured: str | None, directory: str = ".") -> Runner | None:
    """Return the runner of a repository, or None when it holds nothing that a known runner could test.

    *configured* is the repository's own `test` command and wins; *read* is asked only for `CONFIGURATION`
    files in *directory*, where commands start.
    """
    if configured and configured.strip():
        return _configured(configured.strip(), directory, read)
    if any(path.endswith(".py") for path in files):
        return replace(PYTEST, directory=directory, test_files=_patterns(directory, read))
    return None


def _configured(text: str, directory: str, read: Read) -> Runner:
    """Translate a command that was written for a developer's machine into one for the sandbox."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if not words or (_SHELL & set(text) and not _quoted(text)):
        return replace(COMMAND, command=("bash", "-c", text), shown=text, directory=directory)
    environment, words = _assignments(words)
    words = _unwrapped(words)
    at = _pytest(words)
    if at is None:
        return replace(
            COMMAND, command=tuple(words), shown=text, directory=directory, environment=environment
        )
    options = words[at:]
    return replace(
        PYTEST,
        command=(*PYTEST.command, *options),
        selection=(*PYTEST.command, *_kept(options)),
        shown=text,
        directory=directory,
        environment={**PYTEST.environment, **environment},
        test_files=_patterns(directory, read),
    )


def _quoted(text: str) -> bool:
    """Tell whether every character that a shell would act on stands inside quotes."""
    lexer = shlex.shlex(text, posix=False, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    return all(word[0] in "'\"" and word[-1] == word[0] for word in lexer if _SHELL & set(word))


def _assignments(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    environment: dict[str, str] = {}
    rest = list(words)
    if rest[0] == "env" and len(rest) > 1 and "=" in rest[1]:
        rest = rest[1:]
    while len(rest) > 1 and rest[0].partition("=")[0].isidentifier() and "=" in rest[0]:
        name, _, value = rest.pop(0).partition("=")
        environment[name] = value
    return environment, rest


def _unwrapped(words: Sequence[str]) -> list[str]:
    """Drop `uv run` and its kin: they look for the network, and the environment is on PATH."""
    rest = list(words)
    while len(rest) > 2 and posixpath.basename(rest[0]) in _WRAPPERS and "run" in rest[1:3]:
        rest = rest[rest.index("run") + 1 :]
        while rest and rest[0].startswith("-"):
            option = rest.pop(0)
            if option in {"-m", "--module"}:  # `uv run -m pytest`
                rest = ["python", "-m", *rest]
                break
            if option in _WRAPPER_VALUES and rest:
                rest.pop(0)
    return rest or list(words)


def _pytest(words: Sequence[str]) -> int | None:
    """Return where pytest's own options start, or None when the command isn't pytest's."""
    first = posixpath.basename(words[0])
    if first in {"pytest", "py.test"}:
        return 1
    python = first.startswith("python") or first == "coverage"
    if python and "-m" in words and words.index("-m") + 1 < len(words):
        at = words.index("-m") + 1
        if words[at] in {"pytest", "py.test"}:
            return at + 1
        if words[at] == "coverage":
            return _pytest(["coverage", *words[at + 1 :]]) and at + (
                _pytest(["coverage", *words[at + 1 :]]) or 0
            )
    return None


def _kept(options: Sequence[str]) -> list[str]:
    """Keep what configures pytest and drop what chooses tests, for a run of chosen files."""
    kept: list[str] = []
    rest = list(options)
    while rest:
        word = rest.pop(0)
        name = word.partition("=")[0]
        if name in _KEPT:
            kept.append(word)
            if word == name and rest:
                kept.append(rest.pop(0))
        elif word in _VALUES and rest:
            rest.pop(0)
    return kept


def _patterns(directory: str, read: Read) -> tuple[str, ...]:
    """Return pytest's usual test file names and those that the repository adds with `python_files`."""
    added: list[str] = []
    for name in CONFIGURATION:
        content = read(posixpath.normpath(posixpath.join(directory, name)))
        if content is not None:
            added += _python_files(name, content)
    usual = PYTEST.test_files
    return (*usual, *(p for p in dict.fromkeys(added) if p not in usual and _narrow(p)))


def _narrow(pattern: str) -> bool:
    # `python_files = *.py` would make every module of the product a test.
    return "/" not in pattern and not fnmatch.fnmatchcase("module.py", pattern)


def _python_files(name: str, content: bytes) -> list[str]:
    try:
        text = content.decode()
        if name.endswith(".toml"):
            found = _toml_option(tomllib.loads(text))
        else:
            parser = configparser.RawConfigParser(strict=False)
            parser.read_string(text)
            section = "tool:pytest" if name == "setup.cfg" else "pytest"
            found = parser.get(section, "python_files", fallback="")
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, configparser.Error, RecursionError):
        return []
    return found.split() if isinstance(found, str) else [str(item) for item in found]


def _toml_option(document: Mapping[str, object]) -> str | list[object]:
    table: object = document
    for key in ("tool", "pytest"):
        table = table.get(key, {}) if isinstance(table, dict) else {}
    options = table if isinstance(table, dict) else {}
    nested = options.get("ini_options", options)
    found = nested.get("python_files", "") if isinstance(nested, dict) else ""
    return found if isinstance(found, str | list) else ""
