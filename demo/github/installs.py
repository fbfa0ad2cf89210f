"""An installation decides where the App is at home; its owner makes, suspends and removes it."""

from demo.github import app, issue, repository
from demo.github import user as accounts
from demo.github.app import Installation
from demo.github.checks import Checks
from demo.github.issue import Issue
from demo.github.repository import Repository
from demo.github.threads import Who
from demo.github.user import Json, User


class Installs(Checks):
    """What owners do with the App and with their repositories."""

    def install(self, account: Who, repositories: set[int] | None = None) -> Installation:
        """Install the App on an account, for all repositories or these ids; emits `installation.created`."""
        made = Installation(
            48_000_001 + len(self.installations),
            self.app,
            self.user(account),
            dict(self.app.permissions),
            self.stamp(),
            repositories,
        )
        self.installations[made.id] = made
        reached = [self._brief(each) for each in self.repositories.values() if made.covers(each)]
        self._tell_installation(made, "created", repositories=reached, requester=None)
        return made

    def suspend(self, made: Installation) -> None:
        """Suspend: its tokens answer 403 and no events come; emits `installation.suspend`."""
        made.suspended_at = self.stamp()
        self._tell_installation(made, "suspend")

    def unsuspend(self, made: Installation) -> None:
        """Undo `suspend`; emits `installation.unsuspend`."""
        made.suspended_at = None
        self._tell_installation(made, "unsuspend")

    def uninstall(self, made: Installation) -> None:
        """Remove the App from the account: its tokens die; emits `installation.deleted`."""
        del self.installations[made.id]
        self.tokens = {key: each for key, each in self.tokens.items() if each.installation is not made}
        self._tell_installation(made, "deleted")

    def ping(self) -> None:
        """Emit `ping`, as registering the webhook does."""
        hook: Json = {
            "type": "App",
            "id": self.app.hook_id,
            "name": "web",
            "active": True,
            "app_id": self.app.id,
            "events": list(self.app.events),
            "config": {
                "content_type": "json",
                "insecure_ssl": "0",
                "secret": "********",
                "url": self.hook_url or "",
            },
            "created_at": self.app.created_at,
            "updated_at": self.app.created_at,
            "deliveries_url": f"{self.url}/app/hook/deliveries",
        }
        self.hooks.send(
            "ping", None, {"zen": "Keep it logically awesome.", "hook_id": self.app.hook_id, "hook": hook}
        )

    def grant(self, made: Installation, repo: Repository, user: Who | None = None) -> None:
        """Add a repository to an installation for some; emits `installation_repositories.added`."""
        if made.repositories is not None and repo.id not in made.repositories:
            made.repositories.add(repo.id)
            self._tell_selection(made, "added", repo, user)

    def withdraw(self, made: Installation, repo: Repository, user: Who | None = None) -> None:
        """Take a repository from an installation, which from now on is for some; emits `…removed`."""
        if made.covers(repo):
            reached = {each.id for each in self.repositories.values() if made.covers(each)}
            made.repositories = reached - {repo.id}
            self._tell_selection(made, "removed", repo, user)

    def _tell_selection(self, made: Installation, action: str, repo: Repository, who: Who | None) -> None:
        parts: Json = {"repositories_added": [], "repositories_removed": []}
        parts |= {f"repositories_{action}": [self._brief(repo)]}
        parts |= {"repository_selection": "selected", "requester": None}
        self._tell_installation(made, action, "installation_repositories", who, **parts)

    def rename_repository(self, repo: Repository, name: str, user: Who | None = None) -> None:
        """Rename: the old name answers 301 (the API) or redirects (git) from now on; emits `renamed`."""
        old = repo.name
        self._move(repo, repo.owner, name)
        self._tell_repository(repo, "renamed", user, changes={"repository": {"name": {"from": old}}})

    def transfer_repository(self, repo: Repository, owner: Who, user: Who | None = None) -> None:
        """Give it to another account: the old name answers 301, and the old installation ends at it.

        Emits `repository.transferred` where the App is installed at the new owner, and
        `installation_repositories.removed` at an old one that was for some.
        """
        old, installation = repo.owner, self.installation_of(repo)
        if installation and installation.repositories is not None:
            self.withdraw(installation, repo, user)
        self._move(repo, self.user(owner), repo.name)
        kind = "organization" if old.type == "Organization" else "user"
        shape = accounts.organization_shape if old.type == "Organization" else accounts.shape
        changes = {"owner": {"from": {kind: shape(self.url, old)}}}
        self._tell_repository(repo, "transferred", user, changes=changes)

    def archive_repository(self, repo: Repository, user: Who | None = None, *, undo: bool = False) -> None:
        """Make it read-only, or writable again; emits `archived` or `unarchived`."""
        repo.archived = not undo
        self._tell_repository(repo, "unarchived" if undo else "archived", user)

    def publish_repository(self, repo: Repository, user: Who | None = None, *, undo: bool = False) -> None:
        """Show it to everyone, or hide it again; emits `publicized` or `privatized`."""
        repo.private = undo
        self._tell_repository(repo, "privatized" if undo else "publicized", user)

    def delete_repository(self, repo: Repository, user: Who | None = None) -> None:
        """Delete it: every name of it answers 404; emits `deleted`."""
        self._tell_repository(repo, "deleted", user)
        del self.repositories[repo.full_name.lower()]
        self.moved = {name: each for name, each in self.moved.items() if each is not repo}

    async def transfer_issue(self, thread: Issue, target: Repository, user: Who) -> Issue:
        """Move an issue: emits `issues.transferred` here and `issues.opened` at the target.

        The old number answers 410, where GitHub answers 301 to whoever may see the new one.
        """
        someone, repo = self.user(user), thread.repository
        made = self.new_thread(target, thread.user, thread.title, thread.body)
        new, old = issue.shape(self.url, made), issue.shape(self.url, thread)
        moved = {"new_issue": new, "new_repository": repository.shape(self.url, target)}
        thread.deleted = True
        repo.open_issues -= thread.state == "open"
        self.emit("issues", "transferred", repo, someone, issue=old, changes=moved)
        came = {"old_issue": old, "old_repository": repository.shape(self.url, repo)}
        self.emit("issues", "opened", target, someone, issue=new, changes=came)
        return made

    def _move(self, repo: Repository, owner: User, name: str) -> None:
        self.moved[repo.full_name.lower()] = self.repositories.pop(repo.full_name.lower())
        repo.owner, repo.name = owner, name
        self.repositories[repo.full_name.lower()] = repo

    def _tell_repository(self, repo: Repository, action: str, who: Who | None, **parts: object) -> None:
        self.emit("repository", action, repo, self.user(who or repo.owner), **parts)

    def _brief(self, repo: Repository) -> Json:
        return {
            "id": repo.id,
            "node_id": f"R_{repo.id}",
            "name": repo.name,
            "full_name": repo.full_name,
            "private": repo.private,
        }

    def _tell_installation(
        self,
        made: Installation,
        action: str,
        event: str = "installation",
        who: Who | None = None,
        **parts: object,
    ) -> None:
        payload = {
            "action": action,
            "installation": app.installation_shape(self.url, made),
            **parts,
            "sender": accounts.shape(self.url, self.user(who or made.account)),
        }
        self.hooks.send(event, action, payload, installation_id=made.id)
