"""Find in source what no run can show: tests made toothless, products that ask if they are tested."""

import ast
import re

from bot.proof import source
from bot.proof.source import Function

# Ways for a product to behave differently under pytest: https://docs.pytest.org/en/stable/example/simple.html
_ASKS = re.compile(
    rb"PYTEST_CURRENT_TEST|PYTEST_VERSION|PYTEST_XDIST_WORKER"
    rb"|[\"']_?pytest[\"']\s+(?:not\s+)?in\s+(?:\w+\.)?modules\b"
    rb"|modules\s*(?:\.get\s*\(|\[)\s*[\"']_?pytest[\"']"
)
_ASSERTING = re.compile(r"(?:^|_)(?:assert|expect|fail|raises|warns|verify|check)", re.IGNORECASE)


def asks_if_tested(base: bytes | None, result: bytes | None) -> bool:
    """Tell whether a product file newly asks whether it runs under a test."""
    return result is not None and _ASKS.search(result) is not None and not (base and _ASKS.search(base))


def weakened(base: bytes, result: bytes) -> list[tuple[str, str]]:
    """Return (test, how) for each test of *base* that *result* keeps by name but makes toothless."""
    before, after = source.parse(base), source.parse(result)
    if before is None or after is None:
        return []
    old, new = dict(source.tests(before)), dict(source.tests(after))
    found = []
    if _marks(after) > _marks(before):
        found.append(("", "every test of the file is now expected to fail"))
    for name in old.keys() & new.keys():
        if _marks(new[name]) > _marks(old[name]):
            found.append((name, "is now expected to fail"))
        elif _checks(old[name]) and not _checks(new[name]):
            found.append((name, "no longer checks anything"))
    return sorted(found)


def _marks(node: ast.Module | ast.ClassDef | Function) -> int:
    """Count the marks on a node itself that turn its failure into a success."""
    if isinstance(node, ast.Module):
        marks: list[ast.AST] = [
            item.value
            for item in node.body
            if isinstance(item, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in item.targets)
        ]
    else:
        marks = list(node.decorator_list)
    names = (
        part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "")
        for mark in marks
        for part in ast.walk(mark)
    )
    return sum(name in {"xfail", "expectedFailure"} for name in names)


def _checks(node: ast.AST) -> int:
    """Count what could fail a test on purpose."""
    found = 0
    for part in ast.walk(node):
        if isinstance(part, ast.Assert):
            found += not isinstance(part.test, ast.Constant)
        elif isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
            found += bool(_ASSERTING.search(name))
        elif isinstance(part, ast.Raise):
            found += 1
    return found
