"""The layout decides what every page has in common: its frame, its colours, its badges."""

import html
from collections.abc import Iterable

from demo.github.check import Check
from demo.github.issue import REACTIONS, Issue, Reaction
from demo.github.repository import Repository
from demo.github.user import User

STYLE = """
:root{color-scheme:light dark;
--line:#d0d7de;--soft:#f6f8fa;--text:#1f2328;--dim:#59636e;--link:#0969da;--bg:#fff;
--good:#1a7f37;--bad:#d1242f;--done:#8250df;--add:#dafbe1;--del:#ffebe9;--hunk:#ddf4ff}
@media(prefers-color-scheme:dark){:root{--line:#3d444d;--soft:#151b23;--text:#f0f6fc;--dim:#9198a1;--link:#4493f8;
--bg:#0d1117;--good:#3fb950;--bad:#f85149;--done:#ab7df8;--add:#12261e;--del:#25171c;--hunk:#121d2f}}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:62rem;margin:1.5rem auto;padding:0 1rem}a{color:var(--link);text-decoration:none}
header{padding:.8rem 1rem;background:var(--soft);border-bottom:1px solid var(--line)}
h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .6rem}
.dim{color:var(--dim)}.badge{color:#fff;border-radius:2em;padding:.15em .8em;font-size:.85em;font-weight:600}
.open{background:var(--good)}.closed{background:var(--bad)}.merged,.completed{background:var(--done)}
.label{border:1px solid var(--line);border-radius:2em;
padding:.05em .7em;font-size:.8em;background:var(--soft)}
.box{border:1px solid var(--line);border-radius:6px;margin:1rem 0;overflow:hidden}
.box>.head{background:var(--soft);border-bottom:1px solid var(--line);padding:.45rem .9rem;font-size:.9em}
.box>.body{padding:.3rem .9rem .6rem;overflow-x:auto}
pre{background:var(--soft);padding:.7rem;border-radius:6px;overflow-x:auto}
code{background:var(--soft);padding:.1em .3em;border-radius:4px;font:85%/1.45 ui-monospace,monospace}
pre code{padding:0}
table{border-collapse:collapse;margin:.6rem 0}
td,th{border:1px solid var(--line);padding:.3rem .7rem;text-align:left}
blockquote{margin:.6rem 0;padding-left:.9rem;border-left:.25em solid var(--line);color:var(--dim)}
.diff{font:12.5px/1.5 ui-monospace,monospace;margin:0;padding:.4rem 0;border-radius:0;background:var(--bg)}
.diff span{display:block;padding:0 .9rem;min-width:max-content;white-space:pre}
.add{background:var(--add)}.del{background:var(--del)}.hunk{background:var(--hunk);color:var(--dim)}
.good{color:var(--good)}.bad{color:var(--bad)}li{margin:.2rem 0}
"""
EMOJI = dict(zip(REACTIONS, ["👍", "👎", "😄", "😕", "❤️", "🎉", "👀", "🚀"], strict=True))
MARKS = {"success": "✅", "failure": "❌", "neutral": "◻️", "cancelled": "🚫", "timed_out": "⏱️", None: "🟡"}


def page(title: str, trail: str, body: str) -> str:
    """Return a whole page; `trail` and `body` are HTML, the title is text."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f'<body><header><a href="/">stand-in for GitHub</a> {trail}</header><main>{body}</main></body></html>'
    )


def trail(repository: Repository) -> str:
    """Return the way back to a repository."""
    name = html.escape(repository.full_name)
    return f'/ <a href="/{name}">{name}</a>'


def badge(thread: Issue) -> str:
    """Return the state of a thread as a coloured badge."""
    state = "merged" if thread.merged_at else thread.state
    kind = "completed" if state == "closed" and thread.state_reason == "completed" else state
    return f'<span class="badge {kind}">{state}</span>'


def labels(thread: Issue) -> str:
    """Return the labels of a thread."""
    return " ".join(f'<span class="label">{html.escape(each.name)}</span>' for each in thread.labels)


def box(
    author: User, when: str, what: str, body: str, reactions: Iterable[Reaction] = (), anchor: str = ""
) -> str:
    """Return a framed entry: who, what, when, then HTML, then the reactions."""
    kind = ' <span class="label">bot</span>' if author.type == "Bot" else ""
    who = f"<strong>{html.escape(author.login)}</strong>{kind}"
    head = f'<div class="head">{who} {what} <span class=dim>{html.escape(when)}</span></div>'
    given = " ".join(
        f'<span title="{html.escape(each.user.login)}">{EMOJI[each.content]}</span>' for each in reactions
    )
    return f'<div class="box" id="{anchor}">{head}<div class="body">{body}{given}</div></div>'


def checks(found: list[Check]) -> str:
    """Return check runs as a list."""
    rows = "".join(
        f"<li>{MARKS.get(each.conclusion, '◻️')} <strong>{html.escape(each.name)}</strong> "
        f"{each.conclusion or each.status} <span class=dim>{html.escape(each.title or '')}</span></li>"
        for each in found
    )
    return f"<h2>Checks</h2><ul>{rows}</ul>" if found else ""
