"""The chronicle decides what of all that happens is part of the story, and tells it in one line each."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from demo.claude.conversation import Conversation
from demo.claude.script import Turn
from demo.github.journal import Entry
from demo.github.world import World

EMOJI = {"eyes": "👀", "rocket": "🚀", "+1": "👍", "-1": "👎", "confused": "😕"}
BOT, CLAUDE, SANDBOX, HUMAN, PROOF = "journeyman", "Claude", "sandbox", "simulated human", "proof"
_MARKER = re.compile(r"<!-- journeyman:(\w+) ")
_HEADLINE = re.compile(r"^### (.*)$", re.MULTILINE)
_ELAPSED = re.compile(r" · (?:less than )?\d[^·]*$")
_BYLINE = re.compile(r"^From the simulated[^:]*:\s*")
_ROUTES = [
    (re.compile(r"POST .*/issues/\d+/comments$"), "_commented"),
    (re.compile(r"PATCH .*/issues/comments/\d+$"), "_edited"),
    (re.compile(r"POST .*/reactions$"), "_reacted"),
    (re.compile(r"POST .*/git-receive-pack$"), "_pushed"),
    (re.compile(r"POST .*/pulls$"), "_proposed"),
    (re.compile(r"(?:POST|PATCH) .*/check-runs(?:/\d+)?$"), "_checked"),
    (re.compile(r"POST .*/assignees$"), "_assigned"),
]


@dataclass(frozen=True)
class Line:
    """One line of the story: who, what, and whether more of its kind may follow on the same line."""

    who: str
    text: str
    tick: bool = False


def marker(body: str) -> str:
    """Return what kind of comment of ours a text is: status, log, final …; nothing for other people's."""
    found = _MARKER.search(body)
    return found[1] if found else ""


def headline(body: str) -> str:
    """Return the first heading of a comment, without tags and without the time that has passed."""
    found = _HEADLINE.search(body)
    return _ELAPSED.sub("", re.sub(r"</?span[^>]*>", "", found[1])) if found else ""


def is_in(said: str, log: str) -> bool:
    """Tell whether a conversation log holds what Claude said; its paragraphs stand there as they are."""
    return said.partition("\n")[0] in log


class Chronicle:
    """Watches GitHub's journal, Claude's conversation and the bot's log."""

    def __init__(self, world: World, tell: Callable[[Line], None], *, scripted: bool) -> None:
        """Take who hears the lines; with a scripted Claude its words are known, else the log counts them."""
        self._world = world
        self._say = tell
        self._scripted = scripted
        self._seen = 0
        self._status = ""
        self._answered: set[int] = set()
        self.last_said = ""  # the text of Claude's last turn that had one

    def look(self, events: list[dict[str, Any]]) -> None:
        """Tell what is new on GitHub, and among these events of the bot's log."""
        changes = self._world.mutations()
        for entry in changes[self._seen :]:
            self._on_github(entry)
        self._seen = len(changes)
        for event in events:
            self._logged(event["event"], event)

    def tell(self, who: str, text: str) -> None:
        """Tell one line."""
        self._say(Line(who, text))

    # What GitHub saw

    def _on_github(self, entry: Entry) -> None:
        request = f"{entry.method} {entry.path}"
        for pattern, name in _ROUTES:
            if pattern.search(request):
                getattr(self, name)(entry.request_body, entry.response_body)
                return

    def _commented(self, asked: Mapping[str, Any], _answer: Any) -> None:
        body = str(asked.get("body", ""))
        kind = marker(body)
        if kind == "status":
            self._status = headline(body)
            self.tell(BOT, f"answers on the issue: {self._status}")
        elif kind == "log":
            self.tell(BOT, "posts the conversation, and keeps it up to date")
        elif kind == "tests":
            self.tell(BOT, f"posts the test report: {headline(body)}")
        else:
            self.tell(BOT, f"has the last word: {_first(body)}")

    def _edited(self, asked: Mapping[str, Any], _answer: Any) -> None:
        body = str(asked.get("body", ""))
        if marker(body) == "status" and headline(body) != self._status:
            self._status = headline(body)
            self.tell(BOT, f"status: {self._status}")

    def _reacted(self, asked: Mapping[str, Any], _answer: Any) -> None:
        self.tell(BOT, f"{EMOJI.get(str(asked.get('content')), '?')} on the issue")

    def _pushed(self, updates: list[Mapping[str, str]], _answer: Any) -> None:
        for each in updates:
            branch = each["ref"].removeprefix("refs/heads/")
            self.tell(BOT, f"pushes {each['after'][:7]} to {branch}")

    def _proposed(self, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        self.tell(BOT, f"opens pull request #{answer.get('number')}: {asked.get('title')}")

    def _checked(self, _asked: Any, answer: Mapping[str, Any]) -> None:
        said = answer.get("output") or {}
        self.tell(BOT, f"check run: {answer.get('conclusion') or answer.get('status')}, {said.get('title')}")

    def _assigned(self, asked: Mapping[str, Any], _answer: Any) -> None:
        self.tell(BOT, f"assigns {', '.join(asked.get('assignees', []))}")

    # What Claude said

    def claude(self, conversation: Conversation, turn: Turn) -> None:
        """Tell what the tools gave and the reviewer said before this turn, then the turn itself."""
        if conversation.wants_structure:
            cases = re.findall(r'"name": "(\w+)"', turn.text)
            self.tell(CLAUDE, f"writes tests from the issue: {', '.join(cases)}")
            return
        if conversation.turns_taken in self._answered:
            return  # the same request again: the bot lost the answer
        self._answered.add(conversation.turns_taken)
        self._heard(conversation)
        if turn.text:
            self.last_said = turn.text
            self.tell(CLAUDE, turn.text)
        for name, given in turn.tools:
            self.tell(CLAUDE, f"  {_call(name, given)}")

    def _heard(self, conversation: Conversation) -> None:
        for result in conversation.results:
            if result.name == "bash" or result.is_error:
                lines = [line for line in result.text.splitlines() if line.strip()]
                telling = [line for line in lines if " passed" in line or " failed" in line]
                if result.is_error or telling:
                    self.tell(SANDBOX, f"  {(telling or lines or ['(no output)'])[-1].strip()}")
        if conversation.turns_taken and conversation.last_words:
            first, *rest = [part for part in conversation.last_words.split("\n") if part.strip()]
            self.tell(HUMAN, _BYLINE.sub("", first))
            if evidence := next((line[2:] for line in rest if line.startswith(("- ", "> "))), ""):
                self.tell(HUMAN, evidence)

    # What the bot logged

    def _logged(self, name: str, facts: Mapping[str, Any]) -> None:
        said = _LOGGED.get(name)
        if said is not None:
            self.tell(said[0], said[1].format_map(_Facts(facts)).partition(". ")[0])
        elif name == "suite.ran":
            self._say(Line(PROOF, "runs the tests on the code as it was and on the change", tick=True))
        elif not self._scripted and name in _LOGGED_OF_CLAUDE:
            who, words = _LOGGED_OF_CLAUDE[name]
            self.tell(who, words.format_map(_Facts(facts)).replace("_", " "))


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


_LOGGED = {
    "mirror.fetched": (BOT, "fetches the code"),
    "environment.made": (SANDBOX, "{note}"),
    "proof.decided": (PROOF, "says {verdict}, by {tests} tests before and after the change"),
    "world.waits": (BOT, "waits {seconds} s: {why}"),
    "worker.died": (BOT, "its worker died (exit code {code}) and is started again"),
    "step.crashed": (BOT, "a step failed and is tried again; see the log"),
}
_LOGGED_OF_CLAUDE = {
    "step.answered": (CLAUDE, "answers; tools that it calls: {calls}"),
    "human.spoke": (HUMAN, "speaks, for {kind}"),
    "tests.generated": (CLAUDE, "writes tests from the issue: {kept}"),
}


def _call(name: str, given: Mapping[str, Any]) -> str:
    if name == "bash":
        return f"$ {given.get('command', '')}"
    if name == "finish":
        return f"finish: {given.get('summary', '')}"
    verb = {"view": "reads", "create": "writes"}.get(str(given.get("command")), "edits")
    return f"{verb} {str(given.get('path', '')).removeprefix('/workspace/')}"


def _first(body: str) -> str:
    """Return the first line that a comment shows, links by their words alone."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"<!--.*?-->", "", body))
    return next((line.strip() for line in shown.splitlines() if line.strip()), "")
