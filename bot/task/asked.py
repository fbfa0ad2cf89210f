"""Put what people and checks asked for after the issue into the words of the first message."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.words import ingoing
from storage.models import Task

MOST_CHARACTERS = 20_000  # of one word, review or check
MOST_INLINE = 90_000  # of all inline comments of a review
MOST_HUNK = 4_000
ROOM_FOR_CODE = 1_000  # with less for each comment, the code beside it is left out


def carried(last: Task | None) -> dict[str, Any]:
    """Return what a session's next task takes over from its last: the issue as it was asked for."""
    kept = ("title", "body", "author", "updated_at")
    return {name: last.trigger[name] for name in kept if name in last.trigger} if last is not None else {}


def words(trigger: Mapping[str, Any], before: Task | None = None) -> list[str]:
    """Return everything that was asked for beyond the issue, each enclosed as data, oldest kind first."""
    said = [_before(before)] if before is not None else []
    said += [guidance(word) for word in trigger.get("guidance") or ()]
    for review in trigger.get("reviews") or ():
        said += _review(review)
    said += [_check(check) for check in trigger.get("checks") or ()]
    return said


def guidance(word: Mapping[str, Any]) -> str:
    """Return a person's word as Claude reads it, in the first message or as a turn of its own."""
    source = f"{word.get('where') or 'issue'}, comment"
    return "A person writes:\n" + ingoing.wrap(
        str(word.get("text") or ""),
        source=source,
        author=str(word.get("author") or ""),
        limit=MOST_CHARACTERS,
    )


def shown(trigger: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the same for people to read, as facts of the log: who said it, where, what, and of which lines.

    Takes its time for long texts: call it in a thread.
    """
    turns = [
        _turn(word.get("author"), word.get("where") or "issue", word.get("text"))
        for word in trigger.get("guidance") or ()
    ]
    for review in trigger.get("reviews") or ():
        comments = list(review.get("comments") or ())
        most = min(MOST_CHARACTERS, MOST_INLINE // max(1, len(comments)))
        remarks = [{"place": _place(one), "text": _seen(one.get("body"), most)} for one in comments]
        state = str(review.get("state") or "").replace("_", " ")
        source = f"review ({state})" if state else "review"
        turns.append(_turn(review.get("author"), source, review.get("body"), remarks))
    return [*turns, *(_turn("", "check run", _told_by(check)) for check in trigger.get("checks") or ())]


def plainly(turns: Sequence[Mapping[str, Any]]) -> str:
    """Return such facts as one text; who said what is told where it is more than one."""
    said = [
        "\n\n".join([turn["text"], *(f"{one['place']}: {one['text']}" for one in turn.get("remarks") or ())])
        for turn in turns
    ]
    if len(turns) > 1:
        whose = [f"{turn['author'] or turn['source']}: " for turn in turns]
        said = [f"{who}{text}" for who, text in zip(whose, said, strict=True)]
    return "\n\n".join(said).strip()


def _turn(author: Any, source: str, text: Any, remarks: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    said = {"author": str(author or ""), "source": source, "text": _seen(text, MOST_CHARACTERS)}
    return {**said, "remarks": list(remarks)} if remarks else said


def _seen(text: Any, most: int) -> str:
    return ingoing.clean(str(text), most).noticed if str(text or "").strip() else ""


def _place(comment: Mapping[str, Any]) -> str:
    return f"{comment.get('path')}:{comment.get('line') or 'file'}"


def _review(review: Mapping[str, Any]) -> list[str]:
    author = str(review.get("author") or "")
    said = []
    if str(review.get("body") or "").strip():
        text = ingoing.wrap(str(review["body"]), source="review", author=author, limit=MOST_CHARACTERS)
        said.append(f"A person reviews the change ({review.get('state')}):\n{text}")
    comments = list(review.get("comments") or ())
    room = MOST_INLINE // max(1, len(comments))
    for comment in comments:
        place = _place(comment)
        text = ingoing.wrap(
            str(comment.get("body") or ""), source=f"review, {place}", author=author,
            limit=min(MOST_CHARACTERS, room),
        )  # fmt: skip
        if comment.get("diff_hunk") and room >= ROOM_FOR_CODE:
            hunk = str(comment["diff_hunk"])
            most = min(MOST_HUNK, room // 3)
            text += "\n" + ingoing.wrap(hunk, source=f"diff at {place}", limit=most, is_code=True)
        said.append(f"Inline comment, thread {comment['root']}:\n{text}")
    return said


def _check(check: Mapping[str, Any]) -> str:
    text = ingoing.wrap(_told_by(check), source="check run", limit=MOST_CHARACTERS)
    return f"A check of the repository's own CI fails on the branch:\n{text}"


def _told_by(check: Mapping[str, Any]) -> str:
    parts = [f"{check.get('name')}: {check.get('conclusion')}"]
    return "\n\n".join([*parts, *(str(check[key]) for key in ("title", "summary", "text") if check.get(key))])


def _before(task: Task) -> str:
    evidence = (task.facts.get("judged") or {}).get("evidence") or []
    text = "\n".join([task.error_message or "", *(str(one) for one in evidence[:10])]).strip()
    ended = f"{task.status}" + (f" ({task.reason})" if task.reason else "")
    wrapped = ingoing.wrap(
        text or "nothing was noted", source="earlier attempt", limit=MOST_CHARACTERS, is_code=True
    )
    return f"An earlier attempt at this ended as {ended}:\n{wrapped}"
