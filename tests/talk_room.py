"""A room to talk in: the attendant and the voice as they are, and a GitHub of one repository in memory."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from bot.engine.dispatch import Dispatcher
from bot.github import faults
from bot.github.identity import Identity
from bot.github.permissions import Role
from bot.settings import Settings
from bot.talk.attendant import Attendant
from bot.talk.voice import Voice
from bot.task.configuration import Configuration
from bot.task.configured import Configured
from bot.task.github_means import GitHubMeans
from bot.task.ledger import TableLedger
from bot.task.on_github import OnGitHub
from bot.task.phases import Means, Phases
from bot.task.portrait import Portraitist
from bot.task.posting import Posting
from bot.task.work import Phase, Work
from bot.words.redaction import Redactor
from storage import repositories, requests, sessions, tasks
from storage.database import Database
from storage.models import Request, Session, Task
from storage.words import RequestKind, TaskKind, TaskState
from tests import records
from tests.test_engine_dispatch import RecordingQueue

BRANCH, PULL, HEAD = "journeyman/issue-42", 57, "a" * 40
ME = Identity(app_id=1, slug="bot", name="Bot", user_id=9)
SPOKEN = "2026-11-22T10:00:00Z"


class Installation:
    """What an installation sees and does there: reactions, comments and reviews, kept in memory."""

    id = 3

    def __init__(self) -> None:
        self.writer = SimpleNamespace(edit=self._edit)
        self.content = SimpleNamespace(is_full=False)
        self.marks: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self.comments: dict[int, dict[str, Any]] = {}
        self.said: list[str] = []
        self.reviews: dict[int, dict[str, Any]] = {}
        self.faults: list[Exception] = []  # raised one by one when a comment is to be posted

    @property
    def reactions(self) -> dict[tuple[str, int], str]:
        """What everything carries, all of it joined where that is more than one."""
        return {one: "+".join(mark["content"] for mark in marks) for one, marks in self.marks.items()}

    async def identity(self) -> Identity:
        """Say who we are."""
        return ME

    async def authorization(self, repository_id: int, access: str = "read") -> str:
        """Give a header for git."""
        return f"Basic {repository_id}-{access}"

    async def pause(self, seconds: float) -> None:
        """Wait for nothing: what is made is shown at once."""

    async def get(self, path: str, /, **where: Any) -> Any:
        """Answer as GitHub does; NotFound for what is not there."""
        found: Any = {
            "/repos/{owner}/{repo}": {"id": 7, "full_name": "acme/shop", "default_branch": "main"},
            "/repos/{owner}/{repo}/issues/{number}": {
                "id": 1, "number": where.get("number"), "title": "T", "state": "open", "created_at": SPOKEN,
            },
            "/repos/{owner}/{repo}/issues/comments/{id}": self.comments.get(where.get("id", 0)),
            "/repos/{owner}/{repo}/pulls/{number}/reviews/{id}": self.reviews.get(where.get("id", 0)),
        }.get(path)  # fmt: skip
        if found is None:
            raise faults.NotFound(f"nothing at {path}")
        return found

    async def getiter(self, path: str, /, **where: Any) -> AsyncIterator[Any]:
        """List comments, those of a review, reactions, or nothing."""
        found: list[Any] = []
        if "/reactions" in path:
            found = list(self.marks.get(_subject(path, where), ()))
        elif path.startswith("/repos/{owner}/{repo}/issues/{number}/comments"):
            found = [one for one in self.comments.values() if one["on"] == where["number"]]
        elif "/reviews/{id}/comments" in path:
            found = self.reviews[where["id"]].get("comments", [])
        for one in found:
            yield one

    async def post(self, path: str, data: dict[str, Any], /, **where: Any) -> dict[str, Any]:
        """Set a reaction or post a comment."""
        if path.endswith("/reactions"):
            marks = self.marks.setdefault(_subject(path, where), [])
            if all(mark["content"] != data["content"] for mark in marks):
                newest = max((mark["id"] for mark in marks), default=0)
                marks.append({"id": newest + 1, "user": {"id": ME.user_id}, **data})
            return next(mark for mark in marks if mark["content"] == data["content"])
        if self.faults:
            raise self.faults.pop(0)
        self.said.append(data["body"])
        return self.write(1000 + len(self.said), where["number"], data["body"], by={"id": ME.user_id})

    async def patch(self, path: str, data: dict[str, Any], /, **where: Any) -> dict[str, Any]:
        """Edit a comment."""
        del path
        self.comments[where["id"]]["body"] = data["body"]
        return self.comments[where["id"]]

    async def delete(self, path: str, /, **where: Any) -> None:
        """Take a reaction away."""
        marks = self.marks[_subject(path, where)]
        marks[:] = [mark for mark in marks if mark["id"] != where["reaction_id"]]

    def write(self, number: int, on: int, body: str, *, at: str = SPOKEN, **more: Any) -> dict[str, Any]:
        """Put a comment on an issue; `by` is its author, `edited` when it was changed."""
        author = {"login": "ann", **more.get("by", {"id": 12})}
        self.comments[number] = {
            "id": number, "on": on, "body": body, "user": author, "created_at": at,
            "updated_at": more.get("edited", at),
        }  # fmt: skip
        return self.comments[number]

    async def _edit(self, key: str, send: Callable[[], Awaitable[None]], **_: Any) -> None:
        del key
        await send()


def _subject(path: str, where: Mapping[str, Any]) -> tuple[str, int]:
    kind = "review_comment" if "/pulls/" in path else "comment" if "/comments/" in path else "issue"
    return kind, where["id"]


@dataclasses.dataclass
class GitHub:
    """The App with its one installation."""

    installation: Installation

    def for_installation(self, installation_id: int) -> Installation:
        """Return it."""
        del installation_id
        return self.installation


class Permissions:
    """Roles by login; whoever is not named may write. It remembers who was asked about."""

    def __init__(self) -> None:
        self.roles: dict[str, Role] = {}
        self.asked: list[tuple[str, int | None]] = []

    async def role(self, *where: Any, user_id: int | None = None, fresh: bool = False) -> Role:
        """Return the role of a login."""
        login = str(where[-1])
        del fresh
        self.asked.append((login, user_id))
        return self.roles.get(login, Role.WRITE)


class Room:
    """Everything that hears and answers, beside a queue that only remembers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.installation, self.permissions, self.queue = Installation(), Permissions(), RecordingQueue()
        github: Any = GitHub(self.installation)
        permissions: Any = self.permissions
        settings, secrets, ledger = Settings(), Redactor(), TableLedger(database)
        configured, posting = Configured(database), Posting(database, ledger, secrets)
        self.refreshed: list[str] = []
        self.voice = Voice(
            github=github, ledger=ledger, posting=posting, configured=configured, settings=settings,
            secrets=secrets, refresh=self._refresh,
        )  # fmt: skip
        attendant = Attendant(
            database=database, github=github, permissions=permissions, configured=configured,
            voice=self.voice, app_id="1", cap_usd=Decimal(5),
        )  # fmt: skip
        self.dispatcher = Dispatcher(database, self.queue, attendant)
        self.forge = OnGitHub(
            GitHubMeans(
                github, permissions, ledger, database, settings, Portraitist(settings, secrets),
                configured, posting, secrets,
            )
        )  # fmt: skip
        nobody: Any = None
        self.phases = Phases(
            Means(settings, nobody, nobody, lambda _: self.forge, Portraitist(settings, secrets))
        )

    async def _refresh(self, session_id: str) -> None:
        self.refreshed.append(session_id)

    async def comment(self, number: int, body: str, by: str = "maria", **more: Any) -> Request:
        """Let someone write a comment (on issue 42, or on the pull request) and be heard."""
        await self.write(number, body, by, **more)
        return await self.heard(f"comment:7:{number}")

    async def write(self, number: int, body: str, by: str = "maria", *, pull: bool = False) -> None:
        """Let someone write a comment that nobody has looked at yet."""
        text = {
            "event": "issue_comment.created", "comment_id": number, "body": body, "is_pull": pull,
            "title": "T", "issue_body": "B", "issue_author": "ann", "state": "open", "created_at": SPOKEN,
        }  # fmt: skip
        place = PULL if pull else 42
        await records.a_request(
            self.database, f"comment:7:{number}", RequestKind.COMMENT, issue_number=place, text=text,
            actor=by, actor_id=sum(by.encode()),
        )  # fmt: skip

    async def ask(self, cause: str, kind: RequestKind, text: Mapping[str, Any], **more: Any) -> Request:
        """Let something happen, and be heard."""
        await records.a_request(self.database, cause, kind, text=dict(text), **more)
        return await self.heard(cause)

    async def review(self, number: int, body: str = "Not yet.", by: str = "maria", **more: Any) -> Request:
        """Let someone request changes on the pull request; GitHub shows the review at once."""
        text = {"event": "pull_request_review.submitted", "review_id": number, "body": body, "comments": []}
        text |= {"state": "changes_requested"} | more
        self.installation.reviews.setdefault(number, {"state": text["state"], "body": body})
        who = {"actor": by, "actor_id": sum(by.encode()), "issue_number": PULL}
        return await self.ask(f"review:7:{number}", RequestKind.REVIEW, text, **who)

    async def check(self, number: int, head: str = HEAD, app: int = 5, branch: str = BRANCH) -> Request:
        """Let a check of the repository's own CI fail on a commit."""
        text = {"app_id": app, "head_sha": head, "name": f"ci {number}", "conclusion": "failure",
                "branch": branch, "check_run_id": number}  # fmt: skip
        return await self.ask(f"check:7:{number}", RequestKind.CHECK_FAILED, text, issue_number=None)

    async def heard(self, cause: str) -> Request:
        """Do everything that waits, also what was put off, and return the Request."""
        async with self.database.transaction() as writing:
            await requests.unclaim(writing)
        await self.dispatcher.once()
        return await records.read_request(self.database, cause)

    async def configure(self, **values: Any) -> None:
        """Let the repository's configuration say so."""
        wanted = Configuration(**values).model_dump()
        async with self.database.transaction() as writing:
            await repositories.save(writing, 7, "acme/shop", None, wanted)

    async def session(self, **values: Any) -> Session:
        """Open a session on issue 42 that has a branch and a pull request; `values` are its columns."""
        made = await records.a_session(self.database, 42)
        wanted = {"branch": BRANCH, "pull_request": PULL, "pull_state": "open"} | values
        async with self.database.transaction() as writing:
            await sessions.change(writing, made.id, **wanted)
        async with self.database.reading() as reading:
            return await sessions.get(reading, made.id)

    async def ended(self, owner: Session, *end: Any, **values: Any) -> Task:
        """Add a task that has ended, well and with a head on the branch unless told otherwise."""
        wanted = {"head_sha": HEAD} | values
        task = await records.a_task(self.database, owner, TaskState.RUNNING, **wanted)
        async with self.database.transaction() as writing:
            await tasks.finish(writing, task.id, *(end or (TaskState.COMPLETED,)))
        return await records.read_task(self.database, task.id)

    async def done(self, **values: Any) -> tuple[Session, Task]:
        """Return a session whose first task has ended with a pull request."""
        owner = await self.session()
        return owner, await self.ended(owner, **values)

    async def at_work(self, owner: Session | None = None, **values: Any) -> Task:
        """Return a task in the middle of its conversation, which maria asked for."""
        owner = owner or await records.a_session(self.database, 42)
        wanted = {"phase": Phase.CONVERSE, "requester": "maria", "requester_id": sum(b"maria")} | values
        return await records.a_task(self.database, owner, TaskState.RUNNING, **wanted)

    async def tasks(self, *conditions: Any) -> list[Task]:
        """Return all tasks, or those that fulfil the conditions, oldest first."""
        async with self.database.reading() as reading:
            query = select(Task).where(*conditions).order_by(Task.created_at, Task.id)
            return list(await reading.scalars(query))

    async def waiting(self, kind: TaskKind = TaskKind.FOLLOW_UP) -> Task:
        """Return the one task that waits; there is no other, and it is of that kind."""
        (found,) = await self.tasks(Task.status == TaskState.PENDING)
        assert found.kind is kind
        return found

    async def work(self, task: Task) -> Work:
        """Return what a step of the task works with."""
        return await Work.load(self.database, task.id)
