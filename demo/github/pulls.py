"""The pull requests decide what pushing and reviewing do to them, and what GitHub says of it."""

import asyncio
import re

from demo.github import difference, pull, review
from demo.github.gitdir import ZERO, Commit, FileChange
from demo.github.pull import Pull, Size
from demo.github.repository import Repository
from demo.github.review import Review, ReviewComment
from demo.github.threads import Threads, Who
from demo.github.user import Json, User

CLOSING = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)", re.IGNORECASE)


class Pulls(Threads):
    """What can be done to a pull request and to the branches below it."""

    async def measure(self, repo: Repository, base: str, head: str) -> Size:
        """Return what a pull request from `head` into `base` (two commits) amounts to."""
        changes, commits, tree = await asyncio.gather(
            self.changes(repo, base, head),
            repo.git.run("rev-list", "--count", f"{base}..{head}"),
            repo.git.merge(base, head),
        )
        added, removed = sum(each.added for each in changes), sum(each.removed for each in changes)
        return Size(int(commits), added, removed, len(changes), tree is not None)

    async def changes(self, repo: Repository, base: str, head: str) -> list[FileChange]:
        """Return the changed files of a pull request: those since the two lines parted."""
        fork = (await repo.git.run("merge-base", base, head)).decode().strip()
        return await difference.between(repo.git, fork, head)

    async def open_pull(
        self,
        repo: str | Repository,
        user: Who,
        title: str,
        head: str,
        base: str | None = None,
        body: str | None = None,
        *,
        draft: bool = False,
        may_modify: bool = False,
    ) -> Pull:
        """Open a pull request between two existing branches; emits `pull_request.opened`."""
        repo, author = self.repository(repo), self.user(user)
        base = base or repo.default_branch
        head_sha, base_sha = repo.git.ref(f"refs/heads/{head}"), repo.git.ref(f"refs/heads/{base}")
        if head_sha is None or base_sha is None:
            raise ValueError(f"{repo.full_name} has no branch {base if head_sha else head}")
        size = await self.measure(repo, base_sha, head_sha)
        if self.open_pull_of(repo, head, base):
            raise ValueError(f"A pull request already exists for {repo.owner.login}:{head}.")
        thread = self.new_thread(repo, author, title, body, is_pull=True, draft=draft)
        made = Pull(self.new_id(), thread, head, base, head_sha, base_sha, size, may_modify=may_modify)
        self.pulls[repo.id][thread.number] = made
        await repo.git.set_ref(f"refs/pull/{thread.number}/head", head_sha)
        self.tell_pull(made, "opened", author)
        return made

    def open_pull_of(self, repo: Repository, head: str, base: str | None = None) -> Pull | None:
        """Return the open pull request from a branch (into a base, when given)."""
        for each in self.pulls[repo.id].values():
            if each.issue.state == "open" and each.head == head and base in (None, each.base):
                return each
        return None

    def tell_pull(self, made: Pull, action: str, sender: User, **parts: object) -> None:
        """Emit a `pull_request` event."""
        body: Json = {"number": made.issue.number, "pull_request": pull.shape(self.url, made), **parts}
        self.emit("pull_request", action, made.issue.repository, sender, **body)

    async def refresh(self, made: Pull) -> Pull:
        """Bring an open pull request up to date with its branches, as every look at it does."""
        repo, head = made.issue.repository, None
        if made.issue.state == "open":
            head = repo.git.ref(f"refs/heads/{made.head}")
        if head and head != made.head_sha:
            made.size = await self.measure(repo, made.base_sha, head)
            made.head_sha = head
        return made

    async def pushed(self, repo: Repository, who: Who, updates: list[tuple[str, str, str]]) -> None:
        """Take note of ref updates (name, old, new): `push` events, and what they mean for pull requests."""
        pusher = self.user(who)
        repo.pushed_at = self.stamp()
        for name, old, new in updates:
            await self._tell_push(repo, pusher, name, old, new)
            branch = name.removeprefix("refs/heads/")
            for made in list(self.pulls[repo.id].values()):
                if made.issue.state == "open" and made.head == branch and name.startswith("refs/heads/"):
                    await self._follow(made, pusher, old, new)

    async def _follow(self, made: Pull, pusher: User, old: str, new: str) -> None:
        if new == ZERO:
            await self.close_issue(made.issue, pusher)
            return
        repo = made.issue.repository
        base = repo.git.ref(f"refs/heads/{made.base}") or made.base_sha
        made.size = await self.measure(repo, base, new)
        made.base_sha, made.head_sha = base, new
        await repo.git.set_ref(f"refs/pull/{made.issue.number}/head", new)
        self.touch(made.issue)
        self.tell_pull(made, "synchronize", pusher, before=old, after=new)

    async def _tell_push(self, repo: Repository, pusher: User, name: str, old: str, new: str) -> None:
        page = f"{self.url}/{repo.full_name}"
        commits: list[Json] = []
        forced = False
        if new != ZERO:
            heads = await repo.git.refs("refs/heads/") if old == ZERO else {}
            since = [f"^{sha}" for ref, sha in heads.items() if ref != name] if old == ZERO else [f"^{old}"]
            found = await repo.git.log(new, *since, limit=2048)
            commits = [_push_commit(page, each) for each in reversed(found)]
            forced = old != ZERO and not await repo.git.is_ancestor(old, new)
            tip = commits[-1] if commits else _push_commit(page, await repo.git.commit(new))
        facts: Json = {
            "ref": name,
            "before": old,
            "after": new,
            "base_ref": None,
            "compare": f"{page}/compare/{old[:12]}...{new[:12]}",
            "commits": commits,
            "head_commit": None if new == ZERO else tip,
            "created": old == ZERO,
            "deleted": new == ZERO,
            "forced": forced,
            "pusher": {"name": pusher.login, "email": pusher.email},
        }
        self.emit("push", None, repo, pusher, **facts)

    async def review(
        self, made: Pull, user: Who, state: str, body: str = "", comments: tuple[Json, ...] = ()
    ) -> Review:
        """Review a pull request; `state` is APPROVE, REQUEST_CHANGES or COMMENT.

        Each comment is `{path, line, body}`. Emits `pull_request_review.submitted`, then
        `pull_request_review_comment.created` for each comment.
        """
        author = self.user(user)
        await self.refresh(made)
        verdict = review.VERDICTS[state]
        given = Review(self.new_id(), made.issue, author, verdict, body, made.head_sha, self.stamp())
        made.reviews.append(given)
        remarks = [await self.add_remark(made, author, review_id=given.id, **each) for each in comments]
        self.touch(made.issue)
        shaped = {
            "review": review.event_shape(self.url, given),
            "pull_request": pull.simple_shape(self.url, made),
        }
        self.emit("pull_request_review", "submitted", made.issue.repository, author, **shaped)
        for remark in remarks:
            self.tell_remark(made, remark)
        return given

    async def add_remark(
        self,
        made: Pull,
        author: User,
        *,
        path: str,
        body: str,
        line: int | None = None,
        side: str = "RIGHT",
        start_line: int | None = None,
        review_id: int | None = None,
        reply_to: int | None = None,
        commit_id: str | None = None,
    ) -> ReviewComment:
        """Put a comment on a line of the difference, telling nobody; raises ValueError for other paths."""
        found = await self.changes(made.issue.repository, made.base_sha, made.head_sha)
        patch = next((each.patch for each in found if each.path == path), None)
        if patch is None:
            raise ValueError(f"{path} is not part of the diff")
        now = self.stamp()
        remark = ReviewComment(
            self.new_id(), made.issue, author, body, path, line, side, commit_id or made.head_sha,
            review.hunk_at(patch, line), now, now, review_id, reply_to, start_line, line is None,
        )  # fmt: skip
        made.comments.append(remark)
        self.review_comments[remark.id] = remark
        return remark

    def tell_remark(self, made: Pull, remark: ReviewComment) -> None:
        """Emit `pull_request_review_comment.created`."""
        shaped = {
            "comment": review.comment_shape(self.url, remark),
            "pull_request": pull.simple_shape(self.url, made),
        }
        repo = made.issue.repository
        self.emit("pull_request_review_comment", "created", repo, remark.user, **shaped)


def _push_commit(page: str, commit: Commit) -> Json:
    def paths(letter: str) -> list[str]:
        return [path for status, path in commit.changes if status == letter]

    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": True,
        "message": commit.message,
        "timestamp": commit.committer.date,
        "url": f"{page}/commit/{commit.sha}",
        "author": {"name": commit.author.name, "email": commit.author.email},
        "committer": {"name": commit.committer.name, "email": commit.committer.email},
        "added": paths("A"),
        "removed": paths("D"),
        "modified": paths("M"),
    }
