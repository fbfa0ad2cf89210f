"""The threads decide what people and Apps do to issues and comments, and what GitHub then says of it."""

from typing import Any

from demo.github import happening, issue, repository
from demo.github import user as accounts
from demo.github.app import App
from demo.github.happening import Happening
from demo.github.issue import Comment, Issue, Reaction
from demo.github.pull import Pull, shape
from demo.github.repository import Label, Repository
from demo.github.state import State
from demo.github.user import Json, User

Who = User | str


class Threads(State):
    """What can be done to a thread; a pull request is one, and its events then are those of pull requests."""

    def via(self, someone: User) -> App | None:
        """Return the App through which an account acted, None for people."""
        return self.app if someone is self.app.bot else None

    def _tell(self, thread: Issue, action: str, sender: User, **parts: Any) -> None:
        repo = thread.repository
        self._note(thread, action, sender, parts.get("label"))
        if thread.is_pull:
            pull = self.pull(repo, thread.number)
            body: Json = {"number": thread.number, "pull_request": shape(self.url, pull)}
            self.emit("pull_request", action, repo, sender, **body, **parts)
            return
        self.emit("issues", action, repo, sender, issue=issue.shape(self.url, thread), **parts)

    def _note(self, thread: Issue, action: str, sender: User, label: Json | None) -> None:
        """Keep a change that a thread's history tells."""
        if action not in happening.TOLD:
            return
        about = (label["name"], label["color"]) if label else None
        reason = thread.lock_reason if action == "locked" else thread.state_reason
        made = Happening(self.new_id(), action, sender, self.stamp(), about, reason)
        thread.history.append(made)

    def touch(self, thread: Issue) -> None:
        """Note that a thread changed now."""
        thread.updated_at = self.stamp()

    def new_thread(self, repo: Repository, author: User, title: str, body: str | None, **facts: Any) -> Issue:
        """Make a thread with the next number, telling nobody yet."""
        repo.last_number += 1
        repo.open_issues += 1
        now = self.stamp()
        thread = Issue(
            self.new_id(),
            repo.last_number,
            repo,
            author,
            title,
            body,
            now,
            now,
            via=self.via(author),
            **facts,
        )
        self.issues[repo.id][thread.number] = thread
        return thread

    async def open_issue(
        self,
        repo: str | Repository,
        user: Who,
        title: str,
        body: str | None = None,
        labels: tuple[str, ...] = (),
    ) -> Issue:
        """Open an issue; emits `issues.opened` and one `issues.labeled` for each label."""
        author = self.user(user)
        thread = self.new_thread(self.repository(repo), author, title, body)
        found = [self.find_label(thread.repository, each) for each in labels]
        thread.labels.extend(found)
        self._tell(thread, "opened", author)
        for each in found:
            self._tell_label(thread, "labeled", each, author)
        return thread

    async def edit_issue(
        self, thread: Issue, user: Who, *, title: str | None = None, body: str | None = None
    ) -> None:
        """Change the title or the text; emits `edited` with what was there before."""
        changes: Json = {}
        if title is not None and title != thread.title:
            changes["title"] = {"from": thread.title}
            thread.title = title
        if body is not None and body != thread.body:
            changes["body"] = {"from": thread.body or ""}
            thread.body = body
        if changes:
            self.touch(thread)
            self._tell(thread, "edited", self.user(user), changes=changes)

    def find_label(self, repo: Repository, name: str, color: str = "ededed", note: str | None = "") -> Label:
        """Return the repository's label of this name, made now if need be, as adding one to an issue does."""
        if name.lower() not in repo.labels:
            repo.labels[name.lower()] = Label(self.new_id(), name, color, note)
        return repo.labels[name.lower()]

    def _tell_label(self, thread: Issue, action: str, label: Label, sender: User) -> None:
        shaped = repository.label_shape(self.url, thread.repository, label)
        self._tell(thread, action, sender, label=shaped)

    async def label(self, thread: Issue, name: str, user: Who) -> None:
        """Add a label; emits `labeled` unless it was there already."""
        if thread.label(name):
            return
        label = self.find_label(thread.repository, name)
        thread.labels.append(label)
        self.touch(thread)
        self._tell_label(thread, "labeled", label, self.user(user))

    async def unlabel(self, thread: Issue, name: str, user: Who) -> None:
        """Take a label away; emits `unlabeled` when it was there."""
        label = thread.label(name)
        if label:
            thread.labels.remove(label)
            self.touch(thread)
            self._tell_label(thread, "unlabeled", label, self.user(user))

    async def assign(self, thread: Issue, assignee: Who, user: Who, *, remove: bool = False) -> None:
        """Assign someone or take the assignment back; emits `assigned` or `unassigned` on a change."""
        someone = self.user(assignee)
        if (someone in thread.assignees) is not remove:
            return
        (thread.assignees.remove if remove else thread.assignees.append)(someone)
        self.touch(thread)
        shaped = accounts.shape(self.url, someone)
        self._tell(thread, "unassigned" if remove else "assigned", self.user(user), assignee=shaped)

    async def close_issue(self, thread: Issue, user: Who, reason: str | None = "completed") -> None:
        """Close an issue, or a pull request without merging it; emits `closed`."""
        if thread.state == "closed":
            return
        self.mark_closed(thread, self.user(user), None if thread.is_pull else reason)
        self._tell(thread, "closed", self.user(user))

    def mark_closed(self, thread: Issue, someone: User, reason: str | None) -> None:
        """Note that a thread is closed, telling nobody yet."""
        thread.state, thread.state_reason = "closed", reason
        thread.closed_at, thread.closed_by = self.stamp(), someone
        thread.repository.open_issues -= 1
        self.touch(thread)

    async def reopen_issue(self, thread: Issue, user: Who) -> None:
        """Open it again; emits `reopened`."""
        if thread.state == "open":
            return
        thread.state, thread.state_reason = "open", None if thread.is_pull else "reopened"
        thread.closed_at = thread.closed_by = None
        thread.repository.open_issues += 1
        self.touch(thread)
        self._tell(thread, "reopened", self.user(user))

    async def lock_issue(self, thread: Issue, user: Who, reason: str | None = None) -> None:
        """Lock the conversation; emits `locked`. Apps can't comment until `unlock_issue`."""
        thread.locked, thread.lock_reason = True, reason
        self._tell(thread, "locked", self.user(user))

    async def unlock_issue(self, thread: Issue, user: Who) -> None:
        """Unlock the conversation; emits `unlocked`."""
        thread.locked, thread.lock_reason = False, None
        self._tell(thread, "unlocked", self.user(user))

    async def delete_issue(self, thread: Issue, user: Who) -> None:
        """Delete an issue: from now on it answers 410; emits `issues.deleted`."""
        if thread.state == "open":
            thread.repository.open_issues -= 1
        self._tell(thread, "deleted", self.user(user))
        thread.deleted = True

    def _tell_comment(self, comment: Comment, action: str, sender: User, **parts: Any) -> None:
        thread = comment.issue
        shaped = {"issue": issue.shape(self.url, thread), "comment": issue.comment_shape(self.url, comment)}
        self.emit("issue_comment", action, thread.repository, sender, **shaped, **parts)

    async def comment(self, thread: "Issue | Pull", user: Who, body: str) -> Comment:
        """Comment on an issue or pull request; emits `issue_comment.created`."""
        thread = thread.issue if isinstance(thread, Pull) else thread
        author, now = self.user(user), self.stamp()
        comment = Comment(self.new_id(), thread, author, body, now, now, self.via(author))
        self.comments[comment.id] = comment
        thread.comments.append(comment)
        self.touch(thread)
        self._tell_comment(comment, "created", author)
        return comment

    async def edit_comment(self, comment: Comment, user: Who, body: str) -> None:
        """Change a comment's text; emits `issue_comment.edited`."""
        before, comment.body = comment.body, body
        comment.updated_at = self.stamp()
        self.touch(comment.issue)
        self._tell_comment(comment, "edited", self.user(user), changes={"body": {"from": before}})

    async def delete_comment(self, comment: Comment, user: Who) -> None:
        """Delete a comment; emits `issue_comment.deleted`."""
        comment.issue.comments.remove(comment)
        del self.comments[comment.id]
        self.touch(comment.issue)
        self._tell_comment(comment, "deleted", self.user(user))

    async def react(self, reactions: list[Reaction], user: Who, content: str) -> tuple[Reaction, bool]:
        """Return the user's reaction and whether it is new; GitHub keeps one of a kind and sends no event."""
        someone = self.user(user)
        for each in reactions:
            if each.user is someone and each.content == content:
                return each, False
        reaction = Reaction(self.new_id(), someone, content, self.stamp())
        reactions.append(reaction)
        return reaction, True
