"""The difference view decides how changed files look: a coloured unified diff for each."""

import html

from demo.github.gitdir import FileChange

KINDS = {"+": "add", "-": "del", "@": "hunk"}


def files(changes: list[FileChange]) -> str:
    """Return the changed files as HTML."""
    added, removed = sum(each.added for each in changes), sum(each.removed for each in changes)
    total = f"<span class=good>+{added}</span> <span class=bad>-{removed}</span>"
    return f"<h2>Files changed ({len(changes)}) {total}</h2>" + "".join(_file(each) for each in changes)


def _file(change: FileChange) -> str:
    name = html.escape(f"{change.previous} → {change.path}" if change.previous else change.path)
    counts = f"<span class=good>+{change.added}</span> <span class=bad>-{change.removed}</span>"
    lines = change.patch.splitlines() or ["(no text to show)"]
    body = "".join(
        f'<span class="{KINDS.get(line[:1], "")}">{html.escape(line) or " "}</span>' for line in lines
    )
    head = f"<code>{name}</code> <span class=dim>{change.status}</span> {counts}"
    return f'<div class="box"><div class="head">{head}</div><pre class="diff">{body}</pre></div>'
