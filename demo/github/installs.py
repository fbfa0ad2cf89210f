"""An installation decides where the App is at home; its owner makes, suspends and removes it."""

from demo.github import app, user
from demo.github.app import Installation
from demo.github.checks import Checks
from demo.github.repository import Repository
from demo.github.threads import Who
from demo.github.user import Json


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

    def rename_repository(self, repo: Repository, name: str) -> None:
        """Rename: the old name answers 301 (the API) or redirects (git) from now on."""
        self.moved[repo.full_name.lower()] = self.repositories.pop(repo.full_name.lower())
        repo.name = name
        self.repositories[repo.full_name.lower()] = repo

    def _brief(self, repo: Repository) -> Json:
        return {
            "id": repo.id,
            "node_id": f"R_{repo.id}",
            "name": repo.name,
            "full_name": repo.full_name,
            "private": repo.private,
        }

    def _tell_installation(self, made: Installation, action: str, **parts: object) -> None:
        payload = {
            "action": action,
            "installation": app.installation_shape(self.url, made),
            **parts,
            "sender": user.shape(self.url, made.account),
        }
        self.hooks.send("installation", action, payload, installation_id=made.id)
