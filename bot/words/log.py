"""Decide how the conversation is posted: whole, in pages, one collapsible entry per turn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bot.words import length, markers, outgoing, phrases
from bot.words.facts import InteractionFacts, SessionFacts
from storage.words import InteractionType

PAGE = 55_000  # characters of one page; GitHub refuses 65,536
_PIECE = 20_000  # a longer entry goes on in a further one
_QUOTED = 6_000  # the same before each line gets its quotation sign
_SUMMARY_ENDS = 2  # with comments: summary, the first and the last turns are posted
_FIRST_WORDS = 90

_WHAT = {
    InteractionType.USER_REQUEST: "Task",
    InteractionType.CLAUDE_RESPONSE: "Agent",
    InteractionType.SIMULATED_HUMAN: "Simulated human",
    InteractionType.HUMAN: "Person",
}


@dataclass
class _Turn:
    """Something said, with the tool calls that it made and what they answered."""

    number: int
    said: InteractionFacts
    calls: list[InteractionFacts] = field(default_factory=list)
    results: dict[str, InteractionFacts] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return all(call.call_id in self.results for call in self.calls)


@dataclass(frozen=True)
class _Piece:
    number: int
    summary: str
    body: str

    def render(self, *, newest: bool) -> str:
        opening = "<details open>" if newest else "<details>"
        return f"{opening}<summary>{self.summary}</summary>\n\n{self.body}\n\n</details>"


def pages(
    session: SessionFacts,
    task_id: str,
    interactions: Sequence[InteractionFacts],
    *,
    urls: Sequence[str] = (),
    ended: bool = False,
    summary: bool = False,
    about: str = "",
) -> list[str]:
    """Return the bodies of the conversation's comments, none above 55,000 characters.

    The text of every page but the last stays the same when interactions arrive, so that only one comment is
    edited. Tool calls appear once all of a turn's results are there (or the task has *ended*). *urls* are the
    addresses of the pages posted so far. With *summary*, only the first and the last turns are posted.
    *about* says which of the session's tasks it is ("follow-up, attempt 2"); the first needs no word.
    """
    turns = _shown(_turns(interactions), ended=ended)
    total = len(turns)
    if summary and total > 2 * _SUMMARY_ENDS:
        turns = [*turns[:_SUMMARY_ENDS], *turns[-_SUMMARY_ENDS:]]
    pieces = [piece for turn in turns for piece in _pieces(session, turn, calls=ended or turn.complete)]
    note = f"*{len(turns)} of {total} turns shown.*" if len(turns) < total else ""
    bodies: list[str] = []
    for number, group in enumerate(_grouped(pieces), start=1):
        previous = f"[Previous page]({urls[number - 2]})" if 1 < number <= len(urls) + 1 else ""
        bodies.append(_page(session, task_id, number, group, [note, previous], about))
    return bodies


def _page(
    session: SessionFacts, task_id: str, number: int, group: list[_Piece], notes: list[str], about: str
) -> str:
    first, last = group[0].number, group[-1].number
    turns = f"turn {first}" if first == last else f"turns {first}\u2013{last}"
    which = f" · {outgoing.line(about, session.secrets, 60)}" if about else ""
    entries = [piece.render(newest=piece is group[-1]) for piece in group]
    head = [
        markers.marker("log", session.id, f"log-{task_id}-{number}"),
        f"#### Conversation{which} · page {number} · {turns}",
        "",
    ]
    body = "\n".join([*head, *entries, *(f"\n{note}" for note in notes if note)])
    return outgoing.clear(body, session.secrets, ours=True)


def _turns(interactions: Sequence[InteractionFacts]) -> list[_Turn]:
    turns: list[_Turn] = []
    calling: dict[str, _Turn] = {}
    for one in interactions:
        if one.type == InteractionType.TOOL_CALL and turns:
            turn = next((turn for turn in reversed(turns) if _is_agent(turn)), turns[-1])
            turn.calls.append(one)
            calling[one.call_id] = turn
        elif one.type == InteractionType.TOOL_RESULT and one.call_id in calling:
            calling[one.call_id].results[one.call_id] = one
        elif one.type not in {InteractionType.TOOL_CALL, InteractionType.TOOL_RESULT}:
            turns.append(_Turn(len(turns) + 1, one))
    return turns


def _is_agent(turn: _Turn) -> bool:
    return turn.said.type == InteractionType.CLAUDE_RESPONSE


def _shown(turns: list[_Turn], *, ended: bool) -> list[_Turn]:
    """Hold back what follows a turn whose tools still run: it comes after their results."""
    for index, turn in enumerate(turns):
        given_up = ended or any(_is_agent(later) for later in turns[index + 1 :])
        if not turn.complete and not given_up:
            return turns[: index + 1]
    return turns


def _pieces(session: SessionFacts, turn: _Turn, *, calls: bool) -> Iterator[_Piece]:
    """Cut a turn into entries of a bearable size."""
    blocks = list(_blocks(session, turn, calls=calls))
    bodies: list[str] = []
    for block in blocks:
        if bodies and len(bodies[-1]) + len(block) + 2 <= _PIECE:
            bodies[-1] += f"\n\n{block}"
        else:
            bodies.append(block)
    title = _title(session, turn, calls=calls)
    for index, body in enumerate(bodies or ["*(nothing said)*"]):
        yield _Piece(turn.number, f"{title} (continued)" if index else title, body)


def _blocks(session: SessionFacts, turn: _Turn, *, calls: bool) -> Iterator[str]:
    said = turn.said
    text = _clear(session, said.text)
    if said.type == InteractionType.CLAUDE_RESPONSE:
        yield from length.split(text, _PIECE)
    else:
        # Each is clear by itself: what one of them leaves open must not take in the next.
        remarks = [
            f"{outgoing.code(one.place, session.secrets)}:\n\n{_clear(session, one.text)}"
            for one in said.remarks
        ]
        for whole in filter(None, [text, *remarks]):
            for part in length.split(whole, _QUOTED):
                yield "\n".join(f"> {one}".rstrip() for one in part.split("\n"))
    if not calls:
        return
    for call in turn.calls:
        if call.text.strip():
            yield from length.split(_clear(session, call.text), _PIECE)
        else:
            yield _call(session, call, turn.results.get(call.call_id))


def _clear(session: SessionFacts, text: str) -> str:
    """Return the whole text as it may leave, which is longer than it was."""
    return outgoing.clear(text.strip(), session.secrets, len(text) * 12 + 1_000)


def _call(session: SessionFacts, call: InteractionFacts, result: InteractionFacts | None) -> str:
    """Return one tool call as a row, and its output."""
    target = outgoing.code(call.target, session.secrets) if call.target.strip() else ""
    row = ["| Tool | Target | Result |", "|---|---|---|"]
    name = outgoing.table_cell(outgoing.line(call.tool, session.secrets, 60))
    row.append(f"| {name} | {outgoing.table_cell(target)} | {_outcome(result)} |")
    if result is None or not result.text.strip():
        return "\n".join(row)
    return "\n".join([*row, "", outgoing.excerpt(result.text, session.secrets)])


def _outcome(result: InteractionFacts | None) -> str:
    if result is None:
        return "no result"
    lines = result.text.strip("\n").count("\n") + 1 if result.text.strip() else 0
    size = phrases.count(lines, "line") if lines else "no output"
    return f"**failed** · {size}" if result.failed else size


def _title(session: SessionFacts, turn: _Turn, *, calls: bool) -> str:
    said = turn.said
    texts = [said.text.strip(), *(call.text.strip() for call in turn.calls if calls)]
    parts = [f"<b>{turn.number} · {_WHAT[said.type]}</b>"]
    if said.type == InteractionType.SIMULATED_HUMAN:
        kind = f": {outgoing.line(said.kind.replace('_', ' '), session.secrets, 40)}" if said.kind else ""
        parts[0] += f" (automatic, not a person){kind}"
    elif said.author:
        source = f", {outgoing.line(said.source, session.secrets, 60)}" if said.source else ""
        parts[0] += f" — {phrases.person(said.author)}{source}"
    elif text := next(filter(None, texts), ""):
        first = text.split("\n", 1)[0].lstrip("#>-* ")
        parts[0] += f" — {outgoing.line(first, session.secrets, _FIRST_WORDS)}"
    if said.tokens is not None:
        parts.append(phrases.count(said.tokens, "token"))
    if said.seconds is not None:
        parts.append(phrases.duration(said.seconds))
    return " · ".join(parts)


def _grouped(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Fill pages in order; a piece is never moved by a later one."""
    group: list[_Piece] = []
    size = 0
    room = PAGE - 1_000  # for the marker, the heading and the notes
    for piece in pieces:
        cost = len(piece.render(newest=True)) + 1
        if group and size + cost > room:
            yield group
            group, size = [], 0
        group.append(piece)
        size += cost
    if group:
        yield group
