"""The screen decides how the demo looks on a terminal: the story line by line, then the pages it led to."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from demo import chronicle, paint
from demo.chronicle import Line
from demo.github.check import Check
from demo.github.gitdir import FileChange
from demo.github.issue import Comment, Issue, Reaction
from demo.github.pull import Pull
from demo.paint import Paint
from demo.prose import Prose

WIDEST = 110
_WHO = 15  # columns of the longest name
_MINUS = "\u2212"
_STYLES = {
    chronicle.BOT: "green",
    chronicle.CLAUDE: "yellow",
    chronicle.SANDBOX: "dim",
    chronicle.HUMAN: "cyan",
    chronicle.PROOF: "blue",
}
_SIGNS = {"success": "✅", "failure": "❌", "cancelled": "⚪", "neutral": "⚪", "action_required": "🟡"}


class Screen:
    """One terminal, or a file or pipe, which gets the same words without colour."""

    def __init__(self, out: TextIO, environ: Mapping[str, str] | None = None) -> None:
        """Colour only a terminal that can and may show it (https://no-color.org)."""
        environ = os.environ if environ is None else environ
        colour = out.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        self._out = out
        self.paint = Paint(colour)
        self.width = max(60, min(WIDEST, shutil.get_terminal_size((100, 40)).columns))
        self._began = time.monotonic()
        self._ticking = ""

    # The story

    def opening(self, title: str, facts: Sequence[tuple[str, str]]) -> None:
        """Show what is about to happen and who takes part."""
        self._write(self.paint(title, "bold"), "")
        for name, fact in facts:
            first, *more = paint.wrap(fact, self.width - 13)
            self._write(
                f"  {self.paint(paint.pad(name, 10), 'bold')} {first}", *(f"{'':13}{each}" for each in more)
            )
        self._write("")

    def begin(self) -> None:
        """Let the story's time begin now."""
        self._began = time.monotonic()

    def line(self, line: Line) -> None:
        """Show one line of the story; a tick adds a dot to a line that says the same."""
        if line.tick and self._ticking == line.text:
            print(self.paint("·", "blue"), end="", file=self._out, flush=True)
            return
        self._end_ticks()
        when = self.paint(f"{time.monotonic() - self._began:6.1f} s", "dim")
        who = self.paint(paint.pad(line.who, _WHO), _STYLES.get(line.who, "magenta"))
        first, *more = self._text(line.text, self.width - _WHO - 12)
        print(f"{when}  {who}  {first}", end=" " if line.tick else "\n", file=self._out, flush=True)
        if line.tick:
            print(self.paint("·", "blue"), end="", file=self._out, flush=True)
            self._ticking = line.text
        elif more:
            self._write(*(f"{'':{_WHO + 12}}{each}" for each in more))

    def _text(self, text: str, width: int) -> list[str]:
        """Return what is said in two lines at most; what is done and what came of it (indented) in one."""
        indent = text[: len(text) - len(text.lstrip())]
        plain = " ".join(paint.safe(text).split())
        if indent:
            return [indent + self.paint(paint.cut(plain, width - len(indent)), "dim")]
        first, *more = paint.wrap(plain, width) or [""]
        return [first, paint.cut(" ".join(more), width)] if more else [first]

    def _end_ticks(self) -> None:
        if self._ticking:
            self._ticking = ""
            self._write("")

    # What a maintainer sees

    def issue(self, thread: Issue) -> None:
        """Show an issue and its comments."""
        labels = ", ".join(label.name for label in thread.labels)
        self._head(f"{thread.repository.full_name} · issue #{thread.number} · {thread.state}", thread.title)
        self._said(
            thread.user.login,
            "opened this" + (f" · label {labels}" if labels else ""),
            thread.body,
            thread.reactions,
        )
        self._comments(thread.comments)

    def pull(self, made: Pull, checks: Sequence[Check], changes: Sequence[FileChange]) -> None:
        """Show a pull request: its text, its comments, its checks and its difference."""
        thread = made.issue
        where = f"{thread.repository.full_name} · pull request #{thread.number} · {thread.state}"
        self._head(where, thread.title)
        self._write(self.paint(f"  {made.base} ← {made.head}", "dim"))
        self._said(thread.user.login, "opened this", thread.body, thread.reactions, unfold=True)
        self._comments(thread.comments)
        for check in checks:
            conclusion = check.conclusion or check.status
            self._name("Check", check.name)
            self._write(f"    {_SIGNS.get(conclusion, '')} {conclusion} · {check.title or ''}")
        self._name(
            "Files changed",
            f"{len(changes)}, +{sum(c.added for c in changes)} {_MINUS}{sum(c.removed for c in changes)}",
        )
        for change in changes:
            self._change(change)

    def _head(self, where: str, title: str) -> None:
        rule = self.paint("─" * self.width, "dim")
        self._end_ticks()
        self._write("", rule, f"  {self.paint(paint.safe(where), 'dim')}")
        self._write(
            *(f"  {self.paint(each, 'bold')}" for each in paint.wrap(paint.safe(title), self.width - 4)), rule
        )

    def _comments(self, comments: Sequence[Comment]) -> None:
        for each in comments:
            self._said(each.user.login, "commented", each.body, each.reactions)

    def _said(
        self, who: str, did: str, body: str | None, reactions: Sequence[Reaction], *, unfold: bool = False
    ) -> None:
        given = " ".join(chronicle.EMOJI.get(each.content, each.content) for each in reactions)
        self._name(who, " · ".join(part for part in (did, given) if part))
        prose = Prose(self.paint, self.width - 6, unfold)
        self._write(*(f"    {line}".rstrip() for line in prose.lines(body)))

    def _name(self, name: str, more: str) -> None:
        self._write("", f"  {self.paint(name, 'bold', 'magenta')} {self.paint(more, 'dim')}", "")

    def _change(self, change: FileChange) -> None:
        counts = f"{change.status}, +{change.added} {_MINUS}{change.removed}"
        self._write(f"    {self.paint(change.path, 'bold')} {self.paint(f'({counts})', 'dim')}")
        styles = {"+": "green", "-": "red", "@": "cyan"}
        for line in paint.safe(change.patch).split("\n"):
            style = styles.get(line[:1])
            shown = paint.fold(line, self.width - 6)
            self._write(*(f"      {self.paint(each, style) if style else each}".rstrip() for each in shown))
        self._write("")

    # The end

    def ending(self, first: str, *more: str, well: bool) -> None:
        """Show how it ended, in words."""
        self._end_ticks()
        self._write("", self.paint("─" * self.width, "dim"))
        sign = "✅" if well else "❌"
        lines = paint.wrap(paint.safe(first), self.width - 5)
        self._write(
            f"  {sign} {self.paint(lines[0], 'bold')}",
            *(f"     {self.paint(each, 'bold')}" for each in lines[1:]),
        )
        for each in more:
            self._write(*(f"     {line}" for line in paint.wrap(paint.safe(each), self.width - 5)))

    def note(self, text: str) -> None:
        """Show a word about the demo itself."""
        self._end_ticks()
        self._write("", f"  {text}")

    def log(self, title: str, lines: Sequence[str]) -> None:
        """Show the end of a log as it is."""
        self._end_ticks()
        self._write("", f"  {title}", *(f"  │ {paint.cut(paint.safe(line), 400)}" for line in lines))

    def _write(self, *lines: str) -> None:
        print(*lines, sep="\n", file=self._out, flush=True)
