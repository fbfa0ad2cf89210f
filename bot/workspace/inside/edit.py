"""View or change one file as the agent asks, keeping its line ends, byte-order mark, mode and final newline.

Runs inside the sandbox as `python -I -S edit.py`, the request marshalled on stdin, the answer on stdout;
imports only the standard library. Exit code 2 means that the answer is an error for the agent.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing for real costs each edit some milliseconds
    from typing import Any

LIMIT = 16_000  # characters that one answer shows
LARGEST = 20 << 20  # bytes of a file that can be edited
MARK = b"\xef\xbb\xbf"
AROUND = 4  # lines shown before and after a change
_TYPE, _FOLDER, _REGULAR = 0o170000, 0o040000, 0o100000


class RefusedError(Exception):
    """The request cannot be done; the text tells the agent why and what to do."""


class Text:
    """A file's text with plain newlines, and what is needed to write it back as it was."""

    def __init__(self, path: str) -> None:
        self.path = path
        with open(path, "rb") as file:  # noqa: PTH123
            raw = file.read()
        self.mark = raw.startswith(MARK)
        content = raw[len(MARK) :] if self.mark else raw
        self.text = content.decode("utf-8", "surrogateescape")  # odd bytes come back unchanged
        ends = self.text.count("\n")
        self.crlf = ends > 0 and self.text.count("\r\n") == ends
        if self.crlf:
            self.text = self.text.replace("\r\n", "\n")

    def given(self, text: str) -> str:
        """Return the agent's text with the line ends that this file has in memory."""
        return text.replace("\r\n", "\n") if self.crlf else text

    def write(self, text: str) -> None:
        """Replace the file's content."""
        if self.crlf:
            text = text.replace("\n", "\r\n")
        store(self.path, (MARK if self.mark else b"") + text.encode("utf-8", "surrogateescape"))


def store(path: str, content: bytes) -> None:
    """Write a file in one step: a reader sees the old content or the new; an existing mode stays."""
    draft = f"{path}.{os.getpid()}.tmp"
    try:
        mode = os.stat(path).st_mode & 0o7777  # noqa: PTH116
    except FileNotFoundError:
        mode = 0o644
    try:
        with open(draft, "xb") as file:  # noqa: PTH123
            os.fchmod(file.fileno(), mode)
            file.write(content)
        os.replace(draft, path)  # noqa: PTH105
    except OSError:
        if os.path.lexists(draft):
            os.unlink(draft)  # noqa: PTH108
        raise


def need(request: dict[str, Any], name: str) -> str:
    """Return a string parameter."""
    value = request.get(name)
    if not isinstance(value, str):
        raise RefusedError(f"`{request.get('command')}` needs `{name}`, a string.")
    return value


def locate(request: dict[str, Any]) -> str:
    """Return the absolute path that is meant, with symlinks resolved; a relative one starts at the tree."""
    path = need(request, "path")
    if not path or "\0" in path:
        raise RefusedError("`path` is empty or holds a NUL byte.")
    return os.path.realpath(path)


def kind(path: str) -> int | None:
    """Return the type bits of what is at a path, or None when nothing is."""
    try:
        return os.stat(path).st_mode & _TYPE  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None


def load(request: dict[str, Any]) -> Text:
    """Return the text of a regular file of a size that can be edited."""
    path = locate(request)
    found = kind(path)
    if found is None:
        raise RefusedError(f"The path {path} does not exist.")
    if found == _FOLDER:
        raise RefusedError(f"{path} is a folder; only `view` takes one.")
    if found != _REGULAR:
        raise RefusedError(f"{path} is not a regular file.")
    if os.path.getsize(path) > LARGEST:  # noqa: PTH202
        raise RefusedError(f"{path} is larger than {LARGEST >> 20} MiB; use bash on a part of it.")
    return Text(path)


def lines_of(text: str) -> list[str]:
    """Return the lines; a final newline begins no further line."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def numbered(lines: list[str], first: int) -> str:
    """Return lines with their numbers, cut after LIMIT characters with a notice."""
    shown: list[str] = []
    room = LIMIT
    for number, line in enumerate(lines, first):
        text = f"{number:6}\t{line}"
        room -= len(text) + 1
        if room < 0:
            if not shown:
                return text[:LIMIT] + f"\n[line {number} has {len(line)} characters; the rest is not shown]"
            last = first + len(lines) - 1
            shown.append(
                f"[lines {first} to {number - 1} of {first} to {last} shown; `view_range` shows others]"
            )
            break
        shown.append(text)
    return "\n".join(shown)


def view(request: dict[str, Any]) -> str:
    """Show a file with line numbers, or two levels of a folder."""
    path = locate(request)
    if kind(path) == _FOLDER:
        if request.get("view_range") is not None:
            raise RefusedError(f"{path} is a folder; `view_range` is for files.")
        return listing(path)
    text = load(request)
    if "\0" in text.text:
        raise RefusedError(f"{path} is a binary file.")
    lines = lines_of(text.text)
    first, last = span(request.get("view_range"), len(lines))
    return numbered(lines[first - 1 : last], first) or f"{path} is empty."


def span(asked: object, count: int) -> tuple[int, int]:
    """Return the first and last line to show."""
    if asked is None:
        return 1, count
    if not isinstance(asked, list) or [type(part) for part in asked] != [int, int]:
        raise RefusedError("`view_range` is a list of two line numbers.")
    first, last = asked
    if not 1 <= first <= max(count, 1):
        raise RefusedError(f"`view_range` begins at line {first}; the file has lines 1 to {count}.")
    if last != -1 and last < first:
        raise RefusedError(f"`view_range` ends at line {last}, before line {first}.")
    return first, count if last == -1 else min(last, count)


def listing(path: str) -> str:
    """Return the entries of a folder and of the folders in it, without hidden ones."""
    shown, room, hidden = [f"{path}/"], LIMIT, 0
    for entry in entries(path):
        below = entries(entry.path) if entry.is_dir(follow_symlinks=False) else []
        for found, indent in ((entry, "  "), *((each, "    ") for each in below)):
            line = indent + label(found)
            room -= len(line) + 1
            if room < 0:
                hidden += 1
            else:
                shown.append(line)
    if hidden:
        shown.append(f"[{hidden} more entries not shown]")
    return "\n".join(shown)


def entries(path: str) -> list[os.DirEntry[str]]:
    """Return what a folder holds, by name; nothing when it cannot be read."""
    try:
        with os.scandir(path) as found:
            return sorted((e for e in found if not e.name.startswith(".")), key=lambda entry: entry.name)
    except PermissionError:
        return []


def label(entry: os.DirEntry[str]) -> str:
    """Return a name that tells folders and symlinks apart, with control characters made visible."""
    name = entry.name if entry.name.isprintable() else ascii(entry.name)
    if entry.is_symlink():
        return f"{name} -> {os.readlink(entry.path)!a}"  # noqa: PTH115
    return f"{name}/" if entry.is_dir() else name


def create(request: dict[str, Any]) -> str:
    """Write a whole file, making its folders."""
    path, content = locate(request), need(request, "file_text")
    found = kind(path)
    if found not in {None, _REGULAR}:
        raise RefusedError(f"{path} is a folder or a special file; it cannot be overwritten.")
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    store(path, content.encode("utf-8", "surrogateescape"))
    return f"The file {path} was {'created' if found is None else 'overwritten'}."


def str_replace(request: dict[str, Any]) -> str:
    """Replace the one occurrence of a text."""
    file = load(request)
    old, new = file.given(need(request, "old_str")), request.get("new_str")
    if new is not None and not isinstance(new, str):
        raise RefusedError("`new_str` is a string.")
    if not old:
        raise RefusedError("`old_str` is empty; use `insert` to add text.")
    count = file.text.count(old)
    if count == 0:
        raise RefusedError(f"Nothing was replaced: `old_str` does not appear verbatim in {file.path}.")
    if count > 1:
        raise RefusedError(
            f"Nothing was replaced: `old_str` appears {count} times in {file.path}, at lines "
            f"{places(file.text, old)}. Add lines around it until it is unique."
        )
    at = file.text.index(old)
    fresh = file.given(new or "")
    text = file.text[:at] + fresh + file.text[at + len(old) :]
    file.write(text)
    line = file.text.count("\n", 0, at) + 1
    return f"The file {file.path} was edited.\n{excerpt(text, line, fresh.count(chr(10)) + 1)}"


def places(text: str, wanted: str) -> str:
    """Return the line numbers of the first occurrences."""
    found: list[str] = []
    at = text.find(wanted)
    while at >= 0 and len(found) < 20:
        found.append(str(text.count("\n", 0, at) + 1))
        at = text.find(wanted, at + len(wanted))
    return ", ".join(found)


def insert(request: dict[str, Any]) -> str:
    """Put text after a line; line 0 is the top."""
    file = load(request)
    given = request.get("insert_text", request.get("new_str"))
    if not isinstance(given, str):
        raise RefusedError("`insert` needs `insert_text`, a string.")
    place = request.get("insert_line")
    count = len(lines_of(file.text))
    if type(place) is not int or not 0 <= place <= count:
        raise RefusedError(f"`insert_line` is a line number from 0 to {count}.")
    added = file.given(given).removesuffix("\n").split("\n")
    lines = file.text.split("\n")
    text = "\n".join(lines[:place] + added + lines[place:])
    file.write(text)
    return f"The file {file.path} was edited.\n{excerpt(text, place + 1, len(added))}"


def excerpt(text: str, line: int, count: int) -> str:
    """Return the changed lines with some around them."""
    first = max(1, line - AROUND)
    return numbered(lines_of(text)[first - 1 : line + count - 1 + AROUND], first)


COMMANDS = {"view": view, "create": create, "str_replace": str_replace, "insert": insert}


def answer(request: dict[str, Any]) -> str:
    """Do what is asked; raises RefusedError with a text for the agent."""
    command = COMMANDS.get(str(request.get("command")))
    if command is None:
        raise RefusedError(f"`command` is one of {', '.join(COMMANDS)}.")
    try:
        return command(request)
    except OSError as error:
        raise RefusedError(f"{error.filename or request.get('path')}: {error.strerror}.") from error


def main() -> int:
    """Answer the request on stdin; an argument, when given, is its path."""
    code = 0
    request = marshal.loads(sys.stdin.buffer.read())  # noqa: S302 - written by the bot
    if len(sys.argv) > 1:
        request["path"] = sys.argv[1]
    try:
        text = answer(request)
    except RefusedError as refusal:
        text, code = str(refusal), 2
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    return code


if __name__ == "__main__":
    sys.exit(main())
