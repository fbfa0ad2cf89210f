"""Hold what each refusal of GitHub's is called and which fix it names."""

import json

import pytest

from bot.errors import Blocked
from bot.github import answers, faults
from bot.github.answers import Answer


def _answer(status: int, data: object, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Answer("POST", "/repos/o/r/issues/4/comments", status, named, body)


@pytest.mark.parametrize(
    ("status", "message", "kind", "fix"),
    [
        (404, "Not Found", faults.NotFound, "not installed"),
        (410, "This issue was deleted", faults.Gone, "deleted"),
        (410, "Issues are disabled for this repo", faults.Gone, "disabled"),
        (403, "Issues are disabled for this repo", faults.Gone, "Switch issues on"),
        (403, "Unable to create comment because issue is locked.", faults.Locked, "Unlock"),
        (403, "Repository was archived so is read-only.", faults.Archived, "Unarchive"),
        (403, "This installation has been suspended", faults.Suspended, "unsuspend"),
        (403, "Must have admin rights to Repository.", faults.Refused, "permissions"),
        (409, "Git Repository is empty.", faults.Conflict, "empty"),
        (451, "Repository access blocked", faults.Withheld, "legal"),
        (401, "Bad credentials", faults.BadCredentials, "PRIVATE_KEY"),
        (400, "Problems parsing JSON", faults.Invalid, "parsing"),
        (418, "teapot", faults.Invalid, "teapot"),
    ],
)
def test_refusal_has_its_type_and_fix(
    status: int, message: str, kind: type[faults.Refused], fix: str
) -> None:
    """Each refusal ends the task as blocked, with GitHub's words, the call and what to do (case 18)."""
    with pytest.raises(kind, match=fix) as caught:
        answers.judge(_answer(status, {"message": message}))
    assert type(caught.value) is kind
    assert isinstance(caught.value, Blocked)
    assert caught.value.status == status
    assert message in str(caught.value)
    assert "/repos/o/r/issues/4/comments" in str(caught.value)


def test_missing_permission_is_named() -> None:
    """GitHub's header says which permission was needed; the sentence repeats it."""
    words = {"message": "Resource not accessible by integration"}
    with pytest.raises(faults.MissingPermission, match="issues: write") as caught:
        answers.judge(_answer(403, words, x_accepted_github_permissions="issues=write; pull_requests=write"))
    assert "pull_requests: write" in str(caught.value)
    with pytest.raises(faults.MissingPermission, match="a permission"):
        answers.judge(_answer(403, words))


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ([{"resource": "PullRequest", "field": "head", "code": "invalid"}], "PullRequest head invalid"),
        ([{"code": "custom", "message": "A pull request already exists for o:b."}], "already exists"),
        (["one", "two"], "one; two"),
        ("just words", "just words"),
        (None, "Validation Failed"),
        ({"odd": 1}, "Validation Failed"),
    ],
)
def test_unprocessable_keeps_githubs_errors(errors: object, text: str) -> None:
    """422 carries GitHub's own list in the text, in each shape GitHub sends."""
    with pytest.raises(faults.Invalid, match=text):
        answers.judge(_answer(422, {"message": "Validation Failed", "errors": errors}))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"null", b"\xff"])
def test_refusal_with_any_body_is_still_a_refusal(body: bytes) -> None:
    """A 422 without JSON or without a message does not end in a KeyError."""
    with pytest.raises(faults.Invalid, match="422"):
        answers.judge(_answer(422, body))


def test_long_message_is_cut() -> None:
    """A page-long message does not flood the comment that repeats it."""
    with pytest.raises(faults.NotFound) as caught:
        answers.judge(_answer(404, {"message": "x" * 100_000}))
    assert len(str(caught.value)) < 1000


def test_bad_date_is_no_date() -> None:
    """A missing or odd Date header is simply unknown."""
    assert _answer(200, {}).moment is None
    assert _answer(200, {}, date="soon").moment is None
    assert _answer(200, {}, date="Thu, 01 Jan 1970 00:01:00 GMT").moment == 60


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_success_is_decoded(content_type: str) -> None:
    """A success gives its data and its next page."""
    answer = _answer(200, [1], Content_Type=content_type, Link='<http://h/x?page=2>; rel="next"')
    assert answers.decode(answer) == ([1], "http://h/x?page=2")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/json; charset=bogus", b"{}"), ("application/json", b'{"a'), ("text/html", b"<html>")],
)
def test_unreadable_success_is_unavailable(content_type: str, body: bytes) -> None:
    """A success that cannot be read is the world's fault, not a crash of ours."""
    with pytest.raises(faults.Unavailable):
        answers.decode(_answer(200, body, content_type=content_type))
