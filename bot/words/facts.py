"""Name the facts that the templates take; a template reads nothing else, not even the clock."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bot.words.redaction import Redactor
from storage.words import InteractionType, PausedBy, Reason, TaskKind, TaskState, TestState, TestType


@dataclass(frozen=True)
class SessionFacts:
    """The issue (or request) and the repository that a session is about."""

    id: str
    repository: str  # "owner/name"; empty for a local project
    issue_number: int | None
    issue_title: str
    label: str = "journeyman"  # what starts a task and, taken off, stops it
    slug: str = ""  # the App's name, by which people mention it; empty where there is no GitHub
    server_url: str = "https://github.com"
    public_url: str = ""  # where people reach this server; empty: nothing links to it
    secrets: Redactor = field(default_factory=Redactor, repr=False)  # every template redacts with it


@dataclass(frozen=True)
class Point:
    """One line of the status comment's checklist."""

    text: str
    done: bool = False
    active: bool = False
    note: str = ""  # what is going on in it, shown while active


@dataclass(frozen=True)
class Event:
    """One line of "What happened so far"."""

    at: datetime
    text: str


@dataclass(frozen=True)
class TaskFacts:
    """Where a task stands and what it has used; times are UTC."""

    id: str
    state: TaskState
    requester: str  # login; empty where nobody is known
    created_at: datetime
    updated_at: datetime
    model: str
    cost_usd: Decimal
    budget_usd: Decimal
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: Reason | None = None
    paused_by: PausedBy | None = None
    requester_id: int | None = None
    joined: tuple[str, ...] = ()  # logins of the others whose reviews and comments it was begun for
    detail: str = ""  # the cause of a failure, one or two sentences
    progress: str = ""  # one sentence
    steps: int = 0
    max_steps: int = 200
    iterations: int = 0
    max_iterations: int = 20
    pauses: int = 0
    max_pauses: int = 5
    timeout_seconds: int = 3600
    branch: str = ""
    pushed: bool = False  # the branch exists on GitHub
    base_ref: str = ""
    base_sha: str = ""
    head_sha: str = ""
    tree: str = ""
    pull_request: int | None = None
    cancelled_by: str = ""  # login
    queue_position: int | None = None
    shown_at: datetime | None = None  # when this is said, where people want to see how fresh it is
    waiting_for: str = ""  # "GitHub", "the model provider"
    waiting_until: datetime | None = None
    log_url: str = ""  # the first page of the conversation
    checklist: tuple[Point, ...] = ()
    events: tuple[Event, ...] = ()
    kind: TaskKind = TaskKind.IMPLEMENT
    attempt: int = 1  # of the session's tasks
    asked_how: str = ""  # "by `/journeyman run`", "by a review"; empty: with the label
    answered: bool = False  # a follow-up that had nothing to change
    answer: str = ""  # what Claude says, in its own Markdown, where nothing was changed
    pull_state: str = ""  # open, closed, merged; empty: there is none, or nobody asked
    paused_by_login: str = ""  # the person who paused it, or wants that: it comes after the present step
    capped_by_day: bool = False  # out of budget by the repository's cap of the day, not by the task's own
    day_budget_usd: Decimal | None = None  # that cap
    lacking: str = ""  # REFUSED for a role: the key below `allow` that asks for it; `detail` names the person
    cap_usd: Decimal | None = None  # the most that one task may cost on this host


@dataclass(frozen=True)
class CaseFacts:
    """One test with its outcome on the base commit and now; ``base`` is None where it didn't exist there."""

    name: str
    type: TestType
    base: TestState | None
    now: TestState | None  # None: it is missing now
    reason: str = ""  # the failure's first line
    output: str = ""
    note: str = ""
    flaky: bool = False  # differed in reruns; never counted as a pass or a regression
    error: bool = False  # the base outcome is an import or collection error, not an assertion


@dataclass(frozen=True)
class SuiteFacts:
    """How the tests were run."""

    command: str
    seconds: float = 0.0
    run: int = 1
    environment: str = ""  # "Python 3.11, no network"
    note: str = ""  # "dependency files changed, so set-up ran again"
    timed_out: bool = False


@dataclass(frozen=True)
class TestFacts:
    """One run of the proof on one commit."""

    __test__ = False

    cases: tuple[CaseFacts, ...]
    suite: SuiteFacts
    base_ref: str = "base"
    base_sha: str = ""
    head_sha: str = ""
    tree: str = ""

    def of(self, kind: TestType, state: TestState | None = None) -> tuple[CaseFacts, ...]:
        """Return the steady cases of one type, all or those that are in *state* now."""
        return tuple(
            case
            for case in self.cases
            if case.type == kind and not case.flaky and (state is None or case.now == state)
        )

    def now(self, state: TestState | None) -> tuple[CaseFacts, ...]:
        """Return the steady cases that are in *state* now; None asks for the missing ones."""
        return tuple(case for case in self.cases if case.now == state and not case.flaky)

    @property
    def now_passing(self) -> tuple[CaseFacts, ...]:
        """Return the steady cases that pass now."""
        return self.now(TestState.PASSED)

    @property
    def failing(self) -> tuple[CaseFacts, ...]:
        """Return what stands in the way: failing new tests, broken and missing existing ones."""
        failed = (
            case
            for case in self.now(TestState.FAILED)
            if case.type == TestType.GENERATED or case.base != TestState.FAILED
        )
        return (*failed, *self.now(None))

    @property
    def failing_before(self) -> tuple[CaseFacts, ...]:
        """Return the existing tests that fail without the change too."""
        existing = self.of(TestType.REGRESSION, TestState.FAILED)
        return tuple(case for case in existing if case.base == TestState.FAILED)

    @property
    def detecting(self) -> tuple[CaseFacts, ...]:
        """Return the new tests that fail without the change and pass with it."""
        return tuple(
            case for case in self.of(TestType.GENERATED, TestState.PASSED) if case.base == TestState.FAILED
        )


@dataclass(frozen=True)
class FileFacts:
    """One changed file."""

    path: str
    status: str = "modified"  # added, modified, deleted, renamed
    added: int | None = 0  # None: binary
    removed: int | None = 0
    note: str = ""


@dataclass(frozen=True)
class ChangeFacts:
    """What Claude says of the change (the ``finish`` tool) and what the change is."""

    summary: str
    title: str = ""  # empty: the issue's title
    files: tuple[FileFacts, ...] = ()
    look_at: tuple[str, ...] = ()
    open_questions: tuple[str, ...] = ()
    not_tested: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remark:
    """What a review says of single lines."""

    place: str  # "src/dates.py:12"
    text: str


@dataclass(frozen=True)
class InteractionFacts:
    """One entry of the conversation, oldest first; thinking never becomes part of ``text``."""

    type: InteractionType
    text: str = ""
    at: datetime | None = None
    author: str = ""  # USER_REQUEST, HUMAN: a login
    source: str = ""  # USER_REQUEST, HUMAN: "issue 42", "review (changes requested)"
    remarks: tuple[Remark, ...] = ()  # USER_REQUEST: a review's inline comments
    kind: str = ""  # SIMULATED_HUMAN: the word's kind
    tool: str = ""  # TOOL_CALL
    target: str = ""  # TOOL_CALL: the command, the path; of `finish` nothing: its ``text`` says all
    call_id: str = ""  # TOOL_CALL, TOOL_RESULT: what ties them
    failed: bool = False  # TOOL_RESULT
    tokens: int | None = None  # CLAUDE_RESPONSE
    seconds: float | None = None  # CLAUDE_RESPONSE
