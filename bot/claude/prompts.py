"""Load the prompts from their files and fill them in, strictly."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path

_FOLDER = Path(__file__).with_name("prompts")
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


@functools.cache
def load(name: str) -> str:
    """Return the text of `prompts/NAME.md`, always the same bytes, without the final newline."""
    return (_FOLDER / f"{name}.md").read_text("utf-8").rstrip("\n")


def fill(name: str, **values: str) -> str:
    """Return the prompt with each `{{placeholder}}` replaced by its value.

    Values go in as they are: a placeholder inside a value stays text, so that an issue can't reach into
    the template. Raises LookupError when a placeholder has no value or a value has no placeholder.
    """
    template = load(name)
    wanted = set(_PLACEHOLDER.findall(template))
    if wanted != set(values):
        missing, unknown = sorted(wanted - set(values)), sorted(set(values) - wanted)
        raise LookupError(f"prompt {name}: missing {missing}, unknown {unknown}")
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def task(
    *,
    subject: str,
    issue: str,
    comments: Sequence[tuple[str, str]] = (),
    instructions: Sequence[tuple[str, str]] = (),
    tree: str,
    asked: Sequence[str] = (),
    diff: str = "",
) -> str:
    """Return the first message of a task.

    `subject` is ours ("issue #7 of o/r, at commit abc of main"); the rest is untrusted and goes in as data:
    comments as (author, text), instructions as (path, text) of CLAUDE.md or AGENTS.md, the tree listing.
    `asked` is what came after the issue, each part enclosed as data already; `diff` what was changed so far.
    """
    said = [data("comment", text, author=author) for author, text in comments]
    files = [data("file", text, path=path) for path, text in instructions]
    more = {}
    if asked or diff:
        more = {
            "asked": "\n\n".join(asked) or "Nothing was added to the issue.",
            "diff": data("diff", diff) if diff else "Nothing was changed so far.",
        }
    return fill(
        "follow_up" if more else "task",
        **more,
        subject=subject,
        issue=data("issue", issue),
        comments="\n\n".join(said) or "There are no comments.",
        instructions="\n\n".join(["The project's own notes for agents:", *files] if files else [])
        or "The repository has no notes for agents.",
        tree=data("files", tree),
    )


def generate_tests(*, issue: str, interface: str, example: str, runner: str, most: int = 3) -> str:
    """Return the request for at most so many tests; all texts but `runner` are untrusted data."""
    return fill(
        "generate_tests",
        issue=data("issue", issue),
        interface=data("interface", interface),
        example=data("existing_test", example) if example.strip() else "The project has no tests yet.",
        runner=runner,
        most=str(most),
    )


def data(tag: str, text: str, **attributes: str) -> str:
    """Return untrusted text between tags that it can't close itself: its own `</tag` loses the bracket."""
    inner = re.sub(rf"<(/?)(?={re.escape(tag)}\b)", r"&lt;\1", text, flags=re.IGNORECASE)
    quoted = "".join(f' {name}="{_attribute(value)}"' for name, value in attributes.items())
    return f"<{tag}{quoted}>\n{inner}\n</{tag}>"


def _attribute(value: str) -> str:
    return re.sub(r"[\"<>\r\n]", "_", value)
