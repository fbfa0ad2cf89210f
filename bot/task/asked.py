"""Put what people and checks asked for after the issue into the words of the first message."""

from collections.abc import Mapping
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


def _review(review: Mapping[str, Any]) -> list[str]:
    author = str(review.get("author") or "")
    said = []
    if str(review.get("body") or "").strip():
        text = ingoing.wrap(str(review["body"]), source="review", author=author, limit=MOST_CHARACTERS)
        said.append(f"A person reviews the change ({review.get('state')}):\n{text}")
    comments = list(review.get("comments") or ())
    room = MOST_INLINE // max(1, len(comments))
    for comment in comments:
        place = f"{comment.get('path')}:{comment.get('line') or 'file'}"
        text = ingoing.wrap(
            str(comment.get("body") or ""), source=f"review, {place}", author=author,
            limit=min(MOST_CHARACTERS, room),
        )  # fmt: skip
        if comment.get("diff_hunk") and room >= ROOM_FOR_CODE:
            hunk = str(comment["diff_hunk"])
            text += "\n" + ingoing.wrap(hunk, source=f"diff at {place}", limit=min(MOST_HUNK, room // 3))
        said.append(f"Inline comment, thread {comment['root']}:\n{text}")
    return said


def _check(check: Mapping[str, Any]) -> str:
    parts = [f"{check.get('name')}: {check.get('conclusion')}"]
    parts += [str(check[key]) for key in ("title", "summary", "text") if check.get(key)]
    text = ingoing.wrap("\n\n".join(parts), source="check run", limit=MOST_CHARACTERS)
    return f"A check of the repository's own CI fails on the branch:\n{text}"


def _before(task: Task) -> str:
    evidence = (task.facts.get("judged") or {}).get("evidence") or []
    text = "\n".join([task.error_message or "", *(str(one) for one in evidence[:10])]).strip()
    ended = f"{task.status}" + (f" ({task.reason})" if task.reason else "")
    wrapped = ingoing.wrap(text or "nothing was noted", source="earlier attempt", limit=MOST_CHARACTERS)
    return f"An earlier attempt at this ended as {ended}:\n{wrapped}"
