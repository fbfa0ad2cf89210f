"""A repository decides what one project is: owner, bare git directory, labels, and who may do what."""

from dataclasses import dataclass, field
from urllib.parse import quote

from demo.github import user
from demo.github.gitdir import GitDir
from demo.github.user import Json, User

ROLES = {
    "admin": "admin",
    "maintain": "write",
    "write": "write",
    "triage": "read",
    "read": "read",
    "none": "none",
}
API_PATHS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


@dataclass(eq=False)
class Label:
    """A label of one repository; GitHub compares its name without regard to case."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None
    default: bool = False


@dataclass(eq=False)
class Repository:
    """One project with its bare git directory; `roles` maps a user's id to a role name."""

    id: int
    owner: User
    name: str
    git: GitDir
    created_at: str
    private: bool = True
    default_branch: str = "main"
    description: str | None = None
    archived: bool = False
    pushed_at: str = ""
    open_issues: int = 0
    last_number: int = 0
    labels: dict[str, Label] = field(default_factory=dict)
    roles: dict[int, str] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner.login}/{self.name}"

    def role(self, someone: User) -> str:
        """Return the role name that the permission API answers for a user."""
        if someone is self.owner:
            return "admin"
        return self.roles.get(someone.id, "none" if self.private else "read")

    def association(self, someone: User) -> str:
        """How GitHub words a user's tie to the repository (`author_association`)."""
        if someone is self.owner:
            return "OWNER"
        if someone.type == "Bot" or someone.id not in self.roles:
            return "NONE"
        return "MEMBER" if self.owner.type == "Organization" else "COLLABORATOR"


def _counts(repository: Repository) -> Json:
    return {
        "forks": 0,
        "forks_count": 0,
        "network_count": 0,
        "stargazers_count": 0,
        "subscribers_count": 0,
        "watchers": 0,
        "watchers_count": 0,
        "size": 1,
        "open_issues": repository.open_issues,
        "open_issues_count": repository.open_issues,
    }


def shape(base: str, repository: Repository) -> Json:
    """Return what is GitHub's `full-repository`, `repository` and `repository-webhooks` at once."""
    name = repository.full_name
    api = f"{base}/repos/{name}"
    facts: Json = {
        "id": repository.id,
        "node_id": f"R_{repository.id}",
        "name": repository.name,
        "full_name": name,
        "private": repository.private,
        "visibility": "private" if repository.private else "public",
        "owner": user.shape(base, repository.owner),
        "html_url": f"{base}/{name}",
        "description": repository.description,
        "fork": False,
        "url": api,
        "git_url": f"git://{base.partition('://')[2]}/{name}.git",
        "ssh_url": f"git@{base.partition('://')[2]}:{name}.git",
        "clone_url": f"{base}/{name}.git",
        "svn_url": f"{base}/{name}",
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "topics": [],
        "is_template": False,
        "default_branch": repository.default_branch,
        "archived": repository.archived,
        "disabled": False,
        "allow_forking": True,
        "web_commit_signoff_required": False,
        "created_at": repository.created_at,
        "updated_at": repository.created_at,
        "pushed_at": repository.pushed_at or repository.created_at,
    }
    facts |= {key: api + suffix for key, suffix in API_PATHS.items()}
    facts |= {f"has_{what}": True for what in ("issues", "projects", "downloads")}
    facts |= {f"has_{what}": False for what in ("wiki", "pages", "discussions")}
    return facts | _counts(repository)


def label_shape(base: str, repository: Repository, label: Label) -> Json:
    """Return GitHub's `label`."""
    return {
        "id": label.id,
        "node_id": f"LA_{label.id}",
        "url": f"{base}/repos/{repository.full_name}/labels/{quote(label.name)}",
        "name": label.name,
        "description": label.description,
        "color": label.color,
        "default": label.default,
    }
