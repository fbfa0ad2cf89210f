"""Read hostile Python without running it: whether it parses, which tests it holds, how one reads."""

import ast
import warnings
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(source: bytes | str) -> ast.Module | None:
    """Return the syntax tree of hostile Python, or None when there is none; runs nothing of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is its author's business
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def tests(module: ast.Module) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Yield (name, node) of test functions, and of test classes with their methods as "Class::test"."""
    for node in module.body:
        if isinstance(node, Function) and node.name.startswith("test"):
            yield node.name, node
        elif isinstance(node, ast.ClassDef) and _is_test_class(node):
            yield node.name, node
            for method in node.body:
                if isinstance(method, Function) and method.name.startswith("test"):
                    yield f"{node.name}::{method.name}", method


def _is_test_class(node: ast.ClassDef) -> bool:
    bases = (base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases)
    return node.name.startswith("Test") or any(
        "TestCase" in base or base.startswith("Test") for base in bases
    )


def body(source: str, name: str) -> str:
    """Return the text of one test ("path::Class::test[parameters]") in *source*, or "" if it isn't there."""
    module = parse(source)
    wanted = name.partition("::")[2].partition("[")[0]
    if module is None:
        return ""
    node = next((node for found, node in tests(module) if found == wanted), None)
    return ast.get_source_segment(source, node) or "" if node else ""
