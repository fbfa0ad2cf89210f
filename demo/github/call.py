"""A call decides what one REST request asks for and how it is answered: actor, fields, pages, refusals."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from demo.github.app import Installation, Token
from demo.github.issue import Issue
from demo.github.pull import Pull
from demo.github.repository import Repository
from demo.github.user import Json, User
from demo.github.world import World

T = TypeVar("T")
DOCUMENTATION = "https://docs.github.com/rest"


class Refusal(Exception):
    """An answer that is an error, in GitHub's words."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: Sequence[Json | str] = (),
        headers: dict[str, str] | None = None,
        **more: str,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: Json = {
            "message": message,
            "documentation_url": DOCUMENTATION,
            "status": str(status),
            **more,
        }
        if errors:
            self.body["errors"] = list(errors)


def invalid(resource: str, name: str, code: str, message: str | None = None) -> Refusal:
    """Return the 422 for one field; `code` is missing, missing_field, invalid, already_exists or custom."""
    error = {"resource": resource, "field": name, "code": code}
    return Refusal(422, "Validation Failed", [error | ({"message": message} if message else {})])


@dataclass
class Answer:
    """What a route answers; `raw` replaces the JSON body."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    media: str = "application/json; charset=utf-8"


@dataclass
class Call:
    """One request that passed the gate; `token` is None when the App itself asks with its JWT."""

    world: World
    request: web.Request
    path: str
    token: Token | None
    body: Json
    place: Repository | None = None

    @property
    def repo(self) -> Repository:
        """The repository that the path names."""
        if self.place is None:
            raise Refusal(404, "Not Found")
        return self.place

    @property
    def me(self) -> User:
        """Who acts: the App's bot."""
        return self.world.app.bot

    @property
    def installation(self) -> Installation:
        """The installation whose token is used."""
        if self.token is None:
            raise Refusal(401, "A JSON web token could not be decoded")
        return self.token.installation

    def part(self, name: str) -> str:
        """Return a part of the path, decoded."""
        return self.request.match_info[name]

    def number(self, name: str = "number") -> int:
        """Return a part of the path that is an integer; anything else is a 404."""
        text = self.part(name)
        if not text.isdigit():
            raise Refusal(404, "Not Found")
        return int(text)

    def query(self, name: str, default: str = "") -> str:
        """Return a query parameter."""
        return self.request.query.get(name, default)

    def text(self, resource: str, name: str, limit: int = 65536) -> str:
        """Return a field of the body that must be a text that isn't blank, within GitHub's limit."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value.strip():
            raise invalid(resource, name, "missing_field")
        return self.limited(resource, name, limit) or ""

    def limited(self, resource: str, name: str, limit: int = 65536) -> str | None:
        """Return a field of the body that is a text or absent, within GitHub's limit."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise Refusal(422, f"Invalid request.\n\nFor '{name}', {value!r} is not a string.")
        if value is not None and len(value) > limit:
            raise invalid(resource, name, "custom", f"{name} is too long (maximum is {limit} characters)")
        return value

    def issue(self) -> Issue:
        """Return the thread that the path names; 404 without it, 410 when it was deleted."""
        found = self.world.issues[self.repo.id].get(self.number())
        if found is None:
            raise Refusal(404, "Not Found")
        if found.deleted:
            raise Refusal(410, "This issue was deleted")
        return found

    def pull(self) -> Pull:
        """Return the pull request that the path names; 404 without it."""
        found = self.world.pulls[self.repo.id].get(self.number())
        if found is None:
            raise Refusal(404, "Not Found")
        return found

    async def fresh_pull(self) -> Pull:
        """Return the pull request that the path names, up to date with its branch."""
        return await self.world.refresh(self.pull())

    def page(
        self, items: Sequence[T], shape: Callable[[T], Any], key: str | None = None, default: int = 30
    ) -> Answer:
        """Answer one page of a list with its Link header; `key` wraps it in an object with a total."""
        most = self.world.faults.page_size or 100
        size = min(_natural(self.query("per_page"), default), most)
        number = _natural(self.query("page"), 1)
        last = max(1, -(-len(items) // size))
        listed = [shape(each) for each in items[(number - 1) * size : number * size]]
        link = self._link(number, last)
        body = listed if key is None else {"total_count": len(items), key: listed}
        return Answer(body, headers={"Link": link} if link else {})

    def _link(self, number: int, last: int) -> str:
        wanted: dict[str, int] = {}
        if number > 1:
            wanted |= {"prev": min(number - 1, last), "first": 1}
        if number < last:
            wanted |= {"next": number + 1, "last": last}
        query = {key: value for key, value in self.request.query.items() if key != "page"}
        address = f"{self.world.url}{self.request.path}"
        return ", ".join(
            f'<{address}?{urlencode(query | {"page": str(to)})}>; rel="{rel}"' for rel, to in wanted.items()
        )


def _natural(text: str, default: int) -> int:
    return int(text) if text.isdigit() and int(text) > 0 else default


Handler = Callable[[Call], Coroutine[Any, Any, Answer]]


@dataclass(frozen=True)
class Route:
    """One operation: who may ask (`app`, `installation`, `any`) and what it takes (`issues:write`)."""

    method: str
    path: str
    handler: Handler
    needs: str = "metadata:read"
    actor: str = "installation"
