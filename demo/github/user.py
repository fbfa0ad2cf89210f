"""A user decides who someone is: a numeric id, a login, and whether a person, an organization or a bot."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]


@dataclass(eq=False)
class User:
    """One account; `type` is `User`, `Organization` or `Bot`."""

    id: int
    login: str
    type: str
    created_at: str

    @property
    def email(self) -> str:
        """The address by which GitHub ties a commit to this account."""
        return f"{self.id}+{self.login}@users.noreply.github.com"


def shape(base: str, user: User) -> Json:
    """Return GitHub's `simple-user`; `base` is the address of the stand-in, without a slash."""
    api = f"{base}/users/{quote(user.login)}"
    page = f"{base}/apps/{user.login.removesuffix('[bot]')}" if user.type == "Bot" else f"{base}/{user.login}"
    return {
        "login": user.login,
        "id": user.id,
        "node_id": f"U_{user.id}",
        "avatar_url": f"{base}/avatars/{user.id}",
        "gravatar_id": "",
        "url": api,
        "html_url": page,
        "followers_url": f"{api}/followers",
        "following_url": f"{api}/following{{/other_user}}",
        "gists_url": f"{api}/gists{{/gist_id}}",
        "starred_url": f"{api}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{api}/subscriptions",
        "organizations_url": f"{api}/orgs",
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events{{/privacy}}",
        "received_events_url": f"{api}/received_events",
        "type": user.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def public_shape(base: str, user: User) -> Json:
    """Return GitHub's `public-user`, the answer of `GET /users/{login}`."""
    return shape(base, user) | {
        "name": None,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": user.created_at,
        "updated_at": user.created_at,
    }


def organization_shape(base: str, user: User) -> Json:
    """Return GitHub's `organization-simple`, which webhooks of an organization's repositories carry."""
    api = f"{base}/orgs/{user.login}"
    return {
        "login": user.login,
        "id": user.id,
        "node_id": f"O_{user.id}",
        "url": api,
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events",
        "hooks_url": f"{api}/hooks",
        "issues_url": f"{api}/issues",
        "members_url": f"{api}/members{{/member}}",
        "public_members_url": f"{api}/public_members{{/member}}",
        "avatar_url": f"{base}/avatars/{user.id}",
        "description": None,
    }
