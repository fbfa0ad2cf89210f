"""Name what the API takes and gives, field by field (contract, section 3)."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
)

from storage.words import InteractionType, PausedBy, Reason, TaskKind, TaskState, TestState, TestType

MOST_DESCRIPTION = 65_536
# GitHub's own rules, https://docs.github.com/en/enterprise-cloud@latest/admin/managing-iam/iam-configuration-reference/username-considerations-for-external-authentication
REPOSITORY = r"^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?/[A-Za-z0-9._-]{1,100}$"


def _plain(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _whole(number: Any) -> Any:
    """Take 42.0 for 42, which JSON does not tell apart."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _full_name(text: str) -> str:
    if not re.fullmatch(REPOSITORY, text) or text.partition("/")[2] in {".", ".."}:
        raise ValueError("must be the name of a repository, as owner/name")
    return text


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OnRepository(_Given):
    """A session on a repository that the App is installed on, about one of its issues or about none."""

    repository: Annotated[
        str,
        Field(description="owner/name", max_length=201, json_schema_extra={"pattern": REPOSITORY}),
        AfterValidator(_full_name),
    ]
    issue_number: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=2**31 - 1)] | None = None


class InProject(_Given):
    """A session on a git work tree of the server's own machine, below one of JOURNEYMAN_PROJECT_ROOTS."""

    project_path: Annotated[
        str,
        Field(
            description="absolute",
            min_length=1,
            max_length=4096,
            json_schema_extra={"pattern": r"^/[^\x00]*$"},
        ),
        AfterValidator(_plain),
    ]


# What a validation error of a new session begins with: the kind that was tried.
ON_REPOSITORY, IN_PROJECT = "(on a repository)", "(in a project)"


def _which(given: Any) -> str:
    is_project = isinstance(given, Mapping) and "project_path" in given and "repository" not in given
    return IN_PROJECT if is_project else ON_REPOSITORY


NewSession = Annotated[
    Annotated[OnRepository, Tag(ON_REPOSITORY)] | Annotated[InProject, Tag(IN_PROJECT)], Discriminator(_which)
]


class NewTask(_Given):
    """What is to be done in a session."""

    session_id: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_plain)]
    description: Annotated[
        str,
        Field(
            description="The first line is the title.",
            min_length=1,
            max_length=MOST_DESCRIPTION,
            json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"},
        ),
        AfterValidator(_plain),
        AfterValidator(_said),
    ]


NEW_SESSION: TypeAdapter[OnRepository | InProject] = TypeAdapter(NewSession)
NEW_TASK: TypeAdapter[NewTask] = TypeAdapter(NewTask)


class _Shown(BaseModel):
    # What is written down as always there, is.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Session(_Shown):
    """One issue, or one request, in one repository or project."""

    id: str
    repository: str
    issue_number: int | None
    project_path: str | None
    branch: str | None
    pull_request: int | None
    created_at: datetime
    updated_at: datetime


class Task(_Shown):
    """One piece of work in a session."""

    id: str
    session_id: str
    kind: TaskKind
    description: str
    status: TaskState
    reason: Reason | None
    paused_by: PausedBy | None
    summary: str | None
    error_message: str | None
    cost_usd: float
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class TestCase(_Shown):
    """One test with its state on the result (`status`) and on the base commit."""

    __test__ = False

    id: str
    name: str
    test_code: str | None
    test_type: TestType
    status: TestState
    base_status: TestState
    output: str | None


class Interaction(_Shown):
    """One entry of the conversation, as text; a tool call is its name and its input in JSON."""

    id: str
    interaction_type: InteractionType
    content: str
    created_at: datetime


class TaskInFull(Task):
    """A task with its tests and its conversation, oldest entry first."""

    test_cases: list[TestCase]
    interactions: list[Interaction]


class Tally(_Shown):
    """How many tests there are; those that did not run yet count in `total` only."""

    total: int
    passed: int
    failed: int
    skipped: int


class TestSummary(_Shown):
    """The tests on the result, by where they come from."""

    __test__ = False

    generated: Tally
    regression: Tally


class Status(_Shown):
    """Where a task stands."""

    status: TaskState
    reason: Reason | None
    progress: str
    test_summary: TestSummary
    iterations: int
    pauses: int
    cost_usd: float
    budget_usd: float
    error_message: str | None


class TaskPage(_Shown):
    """Tasks, newest first; `next_cursor` is null on the last page."""

    tasks: list[Task]
    next_cursor: str | None


class FieldFault(_Shown):
    """One field that is wrong, by its JSON pointer."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """Why not (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldFault] | None = None
