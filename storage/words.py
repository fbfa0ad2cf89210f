"""Name the words that the database and the API keep; they never change their meaning."""

from enum import StrEnum


class DeliveryState(StrEnum):
    """What became of one webhook as received."""

    HANDLED = "HANDLED"  # its handlers made zero or more Requests of it
    IGNORED = "IGNORED"  # no handler is registered for this event and action
    PARKED = "PARKED"  # a handler raised; the delivery waits for `python -m bot replay`


class RequestKind(StrEnum):
    """What a delivery, an API call or the command line asks for."""

    RUN = "run"  # the label, or a command of the command line
    STOP = "stop"  # the label taken away, the issue closed, deleted or transferred
    COMMENT = "comment"  # a person wrote on an issue or pull request; commands and guidance are found in it
    EDITED = "edited"  # a person changed a comment, or the issue itself, after the fact
    REVIEW = "review"  # a person submitted a review of a pull request
    PULL_CLOSED = "pull_closed"  # merged or not: the text says
    PULL_REOPENED = "pull_reopened"
    BUTTON = "button"  # a person pressed one of our check run's buttons, or asked for it to run again
    CHECK_FAILED = "check_failed"  # the repository's own CI failed on a commit
    CONFIGURED = "configured"  # a push to the default branch touched the configuration
    REPOSITORY = "repository"  # renamed, transferred, archived, deleted, taken from the installation
    INSTALLATION = "installation"  # suspended, deleted, or other permissions


class TaskKind(StrEnum):
    """One piece of work in a session."""

    IMPLEMENT = "implement"
    FOLLOW_UP = "follow_up"
    RETEST = "retest"


class TaskState(StrEnum):
    """Where a task stands; the diagram is in docs/architecture.md."""

    PENDING = "PENDING"  # accepted, not started
    RUNNING = "RUNNING"  # preparing or conversing
    PAUSED = "PAUSED"  # someone else speaks: `paused_by` says who
    TESTING = "TESTING"  # the proof runs
    COMPLETED = "COMPLETED"  # proven, pull request open
    FAILED = "FAILED"  # ended without: `reason` says why
    CANCELLED = "CANCELLED"  # a person stopped it


LIVE = (TaskState.RUNNING, TaskState.PAUSED, TaskState.TESTING)
ENDED = (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED)


class Reason(StrEnum):
    """Why a FAILED task failed."""

    TESTS_FAILED = "tests_failed"
    UNPROVEN = "unproven"
    OUT_OF_BUDGET = "out_of_budget"
    OUT_OF_ITERATIONS = "out_of_iterations"
    REGRESSED = "regressed"
    TAMPERED = "tampered"
    TIMEOUT = "timeout"
    BLOCKED = "blocked"
    REFUSED = "refused"
    NO_CHANGES = "no_changes"
    ERROR = "error"


class PausedBy(StrEnum):
    """Who holds a PAUSED task."""

    SIMULATED_HUMAN = "simulated_human"
    PERSON = "person"
    MODEL_OUTAGE = "model_outage"


class TestType(StrEnum):
    """Where a test comes from."""

    __test__ = False

    GENERATED = "GENERATED"  # asked of the model, or written by the agent, for this change
    REGRESSION = "REGRESSION"  # the repository's own suite


class TestState(StrEnum):
    """How a test came out on one tree."""

    __test__ = False

    PENDING = "PENDING"
    PASSED = "PASSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


class InteractionType(StrEnum):
    """Who speaks in one entry of the conversation."""

    USER_REQUEST = "USER_REQUEST"
    CLAUDE_RESPONSE = "CLAUDE_RESPONSE"
    SIMULATED_HUMAN = "SIMULATED_HUMAN"
    HUMAN = "HUMAN"
    TOOL_CALL = "TOOL_CALL"
    TOOL_RESULT = "TOOL_RESULT"


class EventKind(StrEnum):
    """What one entry of a task's live events tells."""

    STATE = "state"  # the task came to be, moved or ended
    INTERACTION = "interaction"  # the conversation grew by one entry
    NOTE = "note"  # something for people to know: a pause, a word taken in, an edit ignored
