"""The views decide what the pages of a repository, an issue and a pull request show."""

import html

from demo.github.issue import Comment, Issue
from demo.github.pages import diff, layout, markdown
from demo.github.pull import Pull
from demo.github.repository import Repository
from demo.github.review import Review, ReviewComment
from demo.github.world import World


def home(world: World) -> str:
    """Return the list of repositories."""
    names = sorted(each.full_name for each in world.repositories.values())
    rows = "".join(f'<li><a href="/{html.escape(each)}">{html.escape(each)}</a></li>' for each in names)
    return layout.page("Stand-in for GitHub", "", f"<h1>Repositories</h1><ul>{rows}</ul>")


def _row(repo: Repository, thread: Issue) -> str:
    kind = "pull" if thread.is_pull else "issues"
    where = f"/{html.escape(repo.full_name)}/{kind}/{thread.number}"
    title = f'<a href="{where}">{html.escape(thread.title)}</a>'
    number = f"<span class=dim>#{thread.number}</span>"
    return f"<li>{layout.badge(thread)} {title} {number} {layout.labels(thread)}</li>"


async def overview(world: World, repo: Repository) -> str:
    """Return a repository's page: its threads, branches and files."""
    threads = sorted(world.issues[repo.id].values(), key=lambda each: -each.number)
    parts = [f"<h1>{html.escape(repo.full_name)}</h1>"]
    for title, wanted in (("Pull requests", True), ("Issues", False)):
        shown = [each for each in threads if each.is_pull is wanted and not each.deleted]
        rows = "".join(_row(repo, each) for each in shown)
        parts.append(f"<h2>{title}</h2><ul>{rows or '<li class=dim>none</li>'}</ul>")
    heads = await repo.git.refs("refs/heads/")
    rows = "".join(
        f"<li><code>{html.escape(name[len('refs/heads/') :])}</code> <span class=dim>{sha[:7]}</span></li>"
        for name, sha in heads.items()
    )
    parts.append(f"<h2>Branches</h2><ul>{rows}</ul>")
    tip = heads.get(f"refs/heads/{repo.default_branch}")
    listed = [each for each in await repo.git.tree(tip, recursive=True) if each.kind == "blob"] if tip else []
    rows = "".join(f"<li><code>{html.escape(each.path)}</code></li>" for each in listed[:500])
    parts.append(f"<h2>Files on {html.escape(repo.default_branch)} ({len(listed)})</h2><ul>{rows}</ul>")
    return layout.page(repo.full_name, layout.trail(repo), "".join(parts))


def _title(thread: Issue) -> str:
    number = f"<span class=dim>#{thread.number}</span>"
    return f"<h1>{html.escape(thread.title)} {number}</h1>{layout.badge(thread)} {layout.labels(thread)}"


def _opening(thread: Issue) -> str:
    body = markdown.render(thread.body) if thread.body else "<p class=dim>No description.</p>"
    return layout.box(thread.user, thread.created_at, "opened this", body, thread.reactions)


def _entry(each: Comment | Review | ReviewComment) -> tuple[str, int, str]:
    """Return an entry of the conversation with what it is sorted by."""
    if isinstance(each, Comment):
        when, what, anchor = each.created_at, "commented", f"issuecomment-{each.id}"
    elif isinstance(each, Review):
        words = each.state.lower().replace("_", " ")
        when, what, anchor = each.submitted_at, f"reviewed: {words}", f"pullrequestreview-{each.id}"
    else:
        place = html.escape(f"{each.path}:{each.line}" if each.line else each.path)
        when, what, anchor = each.created_at, f"on <code>{place}</code>", f"discussion_r{each.id}"
    edited = isinstance(each, Comment) and each.updated_at != each.created_at
    reactions = [] if isinstance(each, Review) else each.reactions
    shown = f"{when}, edited" if edited else when
    return when, each.id, layout.box(each.user, shown, what, markdown.render(each.body), reactions, anchor)


def issue(thread: Issue) -> str:
    """Return an issue's page."""
    entries = "".join(markup for _, _, markup in sorted(map(_entry, thread.comments)))
    title = f"{thread.title} #{thread.number}"
    return layout.page(title, layout.trail(thread.repository), _title(thread) + _opening(thread) + entries)


async def pull(world: World, made: Pull) -> str:
    """Return a pull request's page: conversation, checks, commits and the difference."""
    await world.refresh(made)
    thread, repo = made.issue, made.issue.repository
    said: list[Comment | Review | ReviewComment] = [*thread.comments, *made.reviews, *made.comments]
    entries = sorted(_entry(each) for each in said)
    commits = await repo.git.log(f"{made.base_sha}..{made.head_sha}")
    rows = "".join(
        f"<li><code>{each.sha[:7]}</code> {html.escape(each.message.partition(chr(10))[0])} "
        f"<span class=dim>{html.escape(each.author.name)}</span></li>"
        for each in reversed(commits)
    )
    sides = f"<code>{html.escape(made.base)}</code> ← <code>{html.escape(made.head)}</code>"
    parts = [
        _title(thread),
        f"<p class=dim>{sides}</p>",
        _opening(thread),
        *(markup for _, _, markup in entries),
        layout.checks(world.checks_of(repo, made.head_sha)),
        f"<h2>Commits ({len(commits)})</h2><ul>{rows}</ul>",
        diff.files(await world.changes(repo, made.base_sha, made.head_sha)),
    ]
    return layout.page(f"{thread.title} #{thread.number}", layout.trail(repo), "".join(parts))
