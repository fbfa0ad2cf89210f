"""A merge decides how a pull request enters its base: the commit, the closed issues, the events."""

from demo.github.pull import Pull
from demo.github.pulls import CLOSING, Pulls
from demo.github.threads import Who
from demo.github.user import User


class NotMergeable(Exception):
    """The pull request conflicts with its base, or is not open."""


class Merges(Pulls):
    """Merging, by a merge commit or squashed."""

    async def merge(
        self,
        made: Pull,
        user: Who,
        method: str = "merge",
        title: str | None = None,
        message: str | None = None,
    ) -> str:
        """Merge; emits `push`, `pull_request.closed`, and `issues.closed` for `Fixes #N`. Returns the commit.

        `method` is merge or squash. Raises NotMergeable on a conflict or when it is closed.
        """
        await self.refresh(made)
        who, repo = self.user(user), made.issue.repository
        base = repo.git.ref(f"refs/heads/{made.base}")
        if made.issue.state != "open" or base is None:
            raise NotMergeable("Pull Request is not mergeable")
        tree = await repo.git.merge(base, made.head_sha)
        if tree is None:
            raise NotMergeable("Pull Request is not mergeable")
        parents = [base] if method == "squash" else [base, made.head_sha]
        subject = title or self._subject(made, method)
        text = f"{subject}\n\n{message or made.issue.title}"
        sha = await repo.git.write_commit(tree, parents, text, who.login, who.email, int(self.now()))
        await repo.git.set_ref(f"refs/heads/{made.base}", sha)
        made.merge_sha, made.merged_by, made.issue.merged_at = sha, who, self.stamp()
        self.mark_closed(made.issue, who, None)
        await self.pushed(repo, who, [(f"refs/heads/{made.base}", base, sha)])
        self.tell_pull(made, "closed", who)
        if made.base == repo.default_branch:
            await self._close_fixed(made, who)
        return sha

    @staticmethod
    def _subject(made: Pull, method: str) -> str:
        number, owner = made.issue.number, made.issue.repository.owner.login
        if method == "squash":
            return f"{made.issue.title} (#{number})"
        return f"Merge pull request #{number} from {owner}/{made.head}"

    async def _close_fixed(self, made: Pull, who: User) -> None:
        for number in CLOSING.findall(made.issue.body or ""):
            thread = self.issues[made.issue.repository.id].get(int(number))
            if thread and not thread.is_pull:
                await self.close_issue(thread, who)
