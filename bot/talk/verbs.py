"""Do what a command says, in one transaction, whatever state its thread is in; say what came of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.claude import prices
from bot.errors import Blocked
from bot.github.reactions import UNCLEAR
from bot.talk import errands, order, rehearing
from bot.talk.commands import Command
from bot.talk.thread import Said, Thread
from storage import sessions, tasks
from storage.models import Request, Task
from storage.words import ENDED, TaskKind, TaskState

STARTED = None  # 👀 stays until the task has ended


async def obey(thread: Thread, command: Command) -> Said:
    """Do the command; refuses it when the speaker's role is too low."""
    key = NEEDS.get(command.word)
    always = command.word in ALWAYS_FOR_REQUESTER and thread.asked_by_speaker()
    if key is not None and not always and not thread.speaker.may(key):
        return thread.denied(key, command.word)
    return await VERBS[command.word](thread, command)


async def run(thread: Thread, command: Command) -> Said:
    """Start a session, as the label does."""
    if thread.is_pull:
        return _unclear("run_on_pull", thread)
    if thread.working:
        return Said("already at work", say="already", facts=thread.facts())
    if refused := _refused_options(thread, command):
        return refused
    if await order.overtaken(thread.session, thread.request):
        return thread.unable("nothing_to_retry" if thread.history else "no_session")
    text = thread.request.text
    if thread.owner is not None and thread.owner.ended_at is None:
        await sessions.end(thread.session, thread.owner.id)
    owner = await errands.open_session(thread.session, thread.request, int(thread.request.issue_number or 0))
    asked = {"title": text.get("title") or "", "body": text.get("issue_body") or ""}
    trigger = {
        **asked,
        "author": text.get("issue_author"),
        "origin": "command",
        "subject": subject_of(thread.request),
    }
    task = await errands.begin(thread, TaskKind.IMPLEMENT, owner, trigger, command.options)
    await rehearing.when_begun(thread.session, thread.request)
    return Said(f"task {task.id}", STARTED)


async def stop(thread: Thread, command: Command) -> Said:
    """End what goes on; the conversation and the branch stay."""
    said_at = order.moment(thread.request)
    # What was asked for after the stop, by GitHub's clock, is not what the stop is about.
    meant = [task for task in thread.unfinished if not said_at or order.asked_at(task) <= said_at]
    if thread.owner is None or not meant:
        return thread.unable("nothing_to_stop")
    meant = _within_reach(thread, meant)
    if not meant:
        return thread.denied("run", command.word)
    why = f"@{thread.speaker.login} asked for it by `/journeyman stop`"
    ended = [
        one
        for task in meant
        for one in await tasks.want_cancel(thread.session, thread.owner.id, why, task_id=task.id)
    ]
    idle = not [task for task in thread.working if task.id not in ended]
    await rehearing.when_ended(thread.session, thread.request, thread.owner, ended, idle=idle)
    return Said(order.STOPPED, refresh=thread.owner.id)


async def pause(thread: Thread, command: Command) -> Said:
    """Let the task rest after its present step."""
    if not thread.working or thread.owner is None:
        return thread.unable("nothing_to_pause")
    meant = _within_reach(thread, thread.working)
    if not meant:
        return thread.denied("run", command.word)
    if await _overtaken(thread, meant[0]):
        return thread.unable("overtaken")
    await tasks.want_pause(thread.session, meant[0].id, thread.speaker.login)
    return Said("pausing", refresh=thread.owner.id)


async def resume(thread: Thread, command: Command) -> Said:
    """Let a task that rests go on."""
    if not thread.working or thread.owner is None:
        return thread.unable("nothing_to_resume")
    resting = [task for task in thread.working if task.pause_wanted]
    meant = _within_reach(thread, resting or thread.working)
    if not meant:
        return thread.denied("run", command.word) if resting else thread.unable("nothing_to_resume")
    if await _overtaken(thread, meant[0]):
        return thread.unable("overtaken")
    if not resting:
        return thread.unable("nothing_to_resume")
    await tasks.resume(thread.session, meant[0].id, thread.speaker.login)
    return Said("resuming", refresh=thread.owner.id)


async def _overtaken(thread: Thread, task: Task) -> bool:
    """Whether the task was asked for, paused or let go on after this was said; else this is the newest."""
    said_at = order.moment(thread.request)
    newest = max(str(task.trigger.get("at") or ""), str(task.facts.get("rest_said_at") or ""))
    if said_at and said_at >= newest:
        await tasks.set_facts(thread.session, task.id, rest_said_at=said_at)
    return bool(said_at) and said_at < newest


def _within_reach(thread: Thread, found: list[Task]) -> list[Task]:
    """Return those of the tasks that the speaker may stop, pause and resume: who asked for one, only that."""
    if thread.speaker.may("run"):
        return found
    return [task for task in found if task.requester_id == thread.speaker.id is not None]


async def retry(thread: Thread, command: Command) -> Said:
    """Try once more in the same session: from the plan, the code that there is, or the tests alone."""
    if thread.working:
        return Said("busy", say="already", facts=thread.facts())
    last = _to_try_again(thread)
    if last is None or thread.owner is None:
        return thread.unable("nothing_to_retry")
    if over := thread.over() or _refused_options(thread, command):
        return over
    kind, problem = _kind_of_retry(thread, last, command.options.get("from"))
    if problem:
        return thread.unable(problem)
    # What was asked of the attempt that failed is asked of the next one.
    asked = {name: last.trigger[name] for name in ASKED if name in last.trigger}
    what = {**asked, "retry_of": last.id, "subject": subject_of(thread.request)}
    task = await errands.follow_up(thread, "retry", what, kind, command.options)
    return Said(f"task {task.id}", STARTED)


def _to_try_again(thread: Thread) -> Task | None:
    """Return the attempt that a retry repeats: a retest after one that failed took nothing of it back."""
    attempt = next((task for task in thread.history if task.kind is not TaskKind.RETEST), None)
    return thread.latest if attempt is None or attempt.status is TaskState.COMPLETED else attempt


def _kind_of_retry(thread: Thread, last: Task, wanted: str | None) -> tuple[TaskKind, str]:
    has_code = bool(thread.owner and thread.owner.branch) or bool(last.facts.get("kept_branch"))
    if wanted == "tests":
        return TaskKind.RETEST, "" if has_code else "nothing_to_test"
    if wanted == "plan" or not has_code:
        return TaskKind.IMPLEMENT, ""
    return TaskKind.FOLLOW_UP, ""


async def test(thread: Thread, command: Command) -> Said:
    """Prove the head of the branch once more."""
    del command
    subject = subject_of(thread.request)
    for task in thread.working:
        if task.kind is TaskKind.RETEST and await errands.also_for(thread.session, task, subject):
            return Said("the tests run again already", STARTED)
    if thread.working:
        return Said("busy", say="tests_come", facts=thread.facts())
    if thread.owner is None or not thread.owner.branch or thread.latest is None:
        return thread.unable("nothing_to_test")
    if over := thread.over():
        return over
    task = await errands.follow_up(thread, "test", {"subject": subject}, TaskKind.RETEST)
    return Said(f"task {task.id}", STARTED)


async def status(thread: Thread, command: Command) -> Said:
    """Bring the status comment up to date."""
    del command
    last = thread.latest
    if thread.owner is None or last is None:
        return thread.unable("no_session")
    if last.status in ENDED and "refusal" in last.facts and last.started_at is None:
        return thread.unable("no_session")  # who was turned away got no status comment
    return Said("status shown", refresh=thread.owner.id)


async def config(thread: Thread, command: Command) -> Said:
    """Show the configuration in force."""
    del thread, command
    return Said("configuration shown", say="config")


async def help_(thread: Thread, command: Command) -> Said:
    """Show the commands."""
    del thread, command
    return Said("help shown", say="help")


def subject_of(request: Request) -> dict[str, Any]:
    """Name what was said, for the reaction that it will carry."""
    text = request.text
    if text.get("comment_id"):
        return {"kind": "comment", "id": text["comment_id"]}
    if comments := text.get("comments"):
        return {"kind": "review_comment", "id": comments[0]["id"]}
    return {"kind": "issue", "id": request.issue_number}


def _refused_options(thread: Thread, command: Command) -> Said | None:
    """Refuse a model that can't be capped, and a budget above what the host allows."""
    if model := command.options.get("model"):
        try:
            prices.tariff(model)
        except Blocked as problem:
            return Said("model refused", UNCLEAR, "option_refused", {"why": str(problem)})
    wished = command.options.get("budget")
    if wished is not None and float(wished) > float(thread.cap_usd):
        why = f"the host allows ${thread.cap_usd:.2f} a task; ask for that or less"
        return Said("budget refused", UNCLEAR, "option_refused", {"why": why})
    return None


def _unclear(say: str, thread: Thread) -> Said:
    return Said(say.replace("_", " "), UNCLEAR, say, thread.facts())


ASKED = ("reviews", "guidance", "checks")
Verb = Callable[[Thread, Command], Awaitable[Said]]
VERBS: Mapping[str, Verb] = {
    "run": run,
    "stop": stop,
    "pause": pause,
    "resume": resume,
    "retry": retry,
    "test": test,
    "status": status,
    "config": config,
    "help": help_,
}
# "`run retry config stop pause resume` need the `run` role, `test` … the `steer` role" (contract, section 6)
NEEDS = dict.fromkeys(("run", "retry", "config", "stop", "pause", "resume"), "run") | {"test": "steer"}
ALWAYS_FOR_REQUESTER = frozenset({"stop", "pause", "resume"})
