"""Read a JUnit report as hostile input: a document within bounds becomes cases, anything else an error."""

import hashlib
import io
import posixpath
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

from storage.words import TestState

MAX_BYTES = 64 * 1024 * 1024
MAX_CASES = 100_000
MAX_DEPTH = 16
NAME_LIMIT = 500  # characters; a longer name is cut and made unique by its hash
TEXT_LIMIT = 8_000


_XPASS = ("[XPASS(strict)]", "Unexpected success", "Failed: Unexpected success")


class ReportError(ValueError):
    """A report that can't be believed; its text says why."""


@dataclass(frozen=True)
class CaseResult:
    """How one test came out; `name` is stable across runs: "path::Class::test[parameters]".

    A file that could not be collected is a case of its own, named after the path.
    """

    name: str
    state: TestState
    seconds: float = 0.0
    message: str = ""
    output: str = ""
    mark: str = ""  # "xfail": failed as expected; "xpass": passed against a strict expectation

    @property
    def path(self) -> str:
        """The file that the test was collected from."""
        return self.name.partition("::")[0]


@dataclass(frozen=True)
class SuiteResult:
    """How one run of a suite came out; `complete` says whether its report could be read."""

    cases: dict[str, CaseResult] = field(default_factory=dict)
    exit_code: int | None = None
    timed_out: bool = False
    output: str = ""
    seconds: float = 0.0
    complete: bool = True
    notes: tuple[str, ...] = ()

    def count(self, state: TestState) -> int:
        """Return how many cases are in *state*."""
        return sum(case.state is state for case in self.cases.values())


# When a report names a test twice (a teardown that fails after a pass), the worse word holds.
_WORSE = {TestState.PASSED: 0, TestState.SKIPPED: 1, TestState.FAILED: 2}


def parse(report: bytes, *, paths: Collection[str] = (), directory: str = ".") -> dict[str, CaseResult]:
    """Return the cases of a report; *paths* are the tree's files, *directory* is where the run started.

    Raises ReportError for anything that is not a plain, bounded JUnit document.
    """
    if len(report) > MAX_BYTES:
        raise ReportError(f"the report is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        found = _walk(report)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise ReportError(f"the report is not readable: {type(error).__name__}: {error}"[:300]) from error
    modules = _modules([*paths, *(_file(case, directory) for case in found if case.get("file"))])
    cases: dict[str, CaseResult] = {}
    for element in found:
        case = _case(element, _name(element, modules, directory))
        known = cases.get(case.name)
        if known is None or _WORSE[case.state] > _WORSE[known.state]:
            cases[case.name] = case
    return cases


def _walk(report: bytes) -> list[Element]:
    found: list[Element] = []
    depth = 0
    root = None
    for event, element in ElementTree.iterparse(io.BytesIO(report), events=("start", "end"), forbid_dtd=True):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise ReportError("nested too deeply")
        if root is None:
            root = element
            if root.tag not in {"testsuites", "testsuite"}:
                raise ReportError("not a JUnit document")
        if event == "end" and element.tag == "testcase":
            if len(found) >= MAX_CASES:
                raise ReportError(f"more than {MAX_CASES} tests")
            found.append(element)
        elif event == "end" and element.tag in {"properties", "testsuite"}:
            element.clear()
    return found


def _case(element: Element, name: str) -> CaseResult:
    case = CaseResult(name, TestState.PASSED, seconds=_seconds(element.get("time", "")))
    for child in element:
        message = _cut(child.get("message") or "")
        if child.tag in {"failure", "error"}:
            mark = "xpass" if message.startswith(_XPASS) else ""
            output = _cut((child.text or "") + _text(element, "system-out"))
            return replace(case, state=TestState.FAILED, message=message, output=output, mark=mark)
        if child.tag == "skipped":
            mark = "xfail" if child.get("type") == "pytest.xfail" else ""
            case = replace(case, state=TestState.SKIPPED, message=message, mark=mark)
    return case


def _text(element: Element, tag: str) -> str:
    return "".join("\n" + (child.text or "") for child in element if child.tag == tag)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e6 else 0.0  # also turns away nan


def _modules(paths: Collection[str]) -> dict[str, str]:
    return {path.removesuffix(".py").replace("/", "."): path for path in paths}


def _file(element: Element, directory: str) -> str:
    return posixpath.normpath(posixpath.join(directory, element.get("file", "")))


def _name(element: Element, modules: dict[str, str], directory: str) -> str:
    """Build the stable name; a test inherited from another file belongs to the file that collected it."""
    classname, name = element.get("classname", ""), element.get("name", "")
    prefix = "" if directory == "." else directory.strip("/").replace("/", ".") + "."
    if not classname:  # a collection error or a skipped module: the name is the dotted file
        path = modules.get(prefix + name) or (_file(element, directory) if element.get("file") else name)
        return _short(path)
    parts = (prefix + classname).split(".")
    for length in range(len(parts), 0, -1):
        path = modules.get(".".join(parts[:length]), "")
        if path:
            return _short("::".join([path, *parts[length:], name]))
    return _short(f"{classname}::{name}")


def _short(name: str) -> str:
    if len(name) <= NAME_LIMIT:
        return name
    return name[: NAME_LIMIT - 14] + "…" + hashlib.sha256(name.encode(errors="replace")).hexdigest()[:12]


def _cut(text: str) -> str:
    if len(text) <= TEXT_LIMIT:
        return text
    half = TEXT_LIMIT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
