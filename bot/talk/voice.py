"""Let a person hear what came of what they said: one reaction, one comment at most, the status made fresh."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.github import reactions
from bot.github.client import GitHub, Installation
from bot.github.publish import Ledger
from bot.github.reactions import Subject
from bot.settings import Settings
from bot.talk import effective
from bot.task.configuration import Configuration
from bot.task.configured import Configured
from bot.task.posting import Posting
from bot.words import configured as configured_words
from bot.words import replies
from bot.words.redaction import Redactor
from bot.words.replies import Here, Part
from storage.models import Request
from storage.words import PausedBy, Reason, TaskState

# Comments of their own: two that are edited from their second time on, and one that is said once.
APART = frozenset({"help", "config", "refused"})


class Voice:
    """Tells the answers; each comment has a key, so that telling twice changes nothing."""

    def __init__(
        self, *, github: GitHub, ledger: Ledger, posting: Posting, configured: Configured,
        settings: Settings, secrets: Redactor, refresh: Callable[[str], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._github = github
        self._ledger = ledger
        self._posting = posting
        self._configured = configured
        self._settings = settings
        self._secrets = secrets
        self._refresh = refresh

    async def tell(self, request: Request) -> None:
        """Say the answer that was stored with the Request. Raises WorldFault or Blocked."""
        answer = request.answer or {}
        if answer.get("refresh"):
            await self._refresh(str(answer["refresh"]))
        if request.installation_id is None or request.repository_id is None:
            return
        installation = self._github.for_installation(request.installation_id)
        if answer.get("reaction"):
            subject = Subject(str(answer["subject"]["kind"]), int(answer["subject"]["id"]))
            content = str(answer["reaction"])
            await reactions.ensure_reaction(
                installation, request.repository, subject, content, gives_way=content == reactions.SEEN
            )
        await self._speak(installation, request, answer.get("parts") or [])

    async def _speak(self, installation: Installation, request: Request, said: list[dict[str, Any]]) -> None:
        answer = request.answer or {}
        apart = [one for one in said if one["say"] in APART]
        for one in apart:
            await self._once(
                installation, request, self._key(request, one), [one], once=one["say"] == "refused"
            )
        rest = [one for one in said if one["say"] not in APART]
        if rest and answer.get("outsider"):
            op = f"hint-{request.repository_id}-{_number(request)}-{request.actor_id}"
            await self._once(installation, request, op, rest, once=True)
        elif rest:
            op = str(answer.get("op") or f"re-{request.id}")
            await self._once(installation, request, op, rest, once=False)

    async def _once(
        self, installation: Installation, request: Request, op: str, said: list[dict[str, Any]], *, once: bool
    ) -> None:
        """Post or edit the comment named *op*; with *once* what was said before stays as it is."""
        if once:
            effect = await self._ledger.find(op)
            if effect is not None and effect.state == "done":
                return  # the reaction is enough from now on
        parts = []
        for one in said:
            here = await self._here(installation, request, one)
            text = await self._text(installation, request, here, one)
            parts.append(Part(text, str(one.get("line") or "")))
        await self._post(installation, request, op, parts)

    def _key(self, request: Request, one: Mapping[str, Any]) -> str:
        place = f"{request.repository_id}-{_number(request)}"
        if one["say"] == "refused":
            return f"refusal-{place}-{request.actor_id}"
        return f"{one['say']}-{place}"

    async def _post(self, installation: Installation, request: Request, op: str, parts: list[Part]) -> None:
        number = _number(request)
        if number is None or request.repository_id is None:
            return
        about = f"r{request.repository_id}"
        await self._posting.ensure(
            installation, request.repository, request.repository_id, number, kind="reply", session=about,
            op=op, body=replies.reply(op, about, parts, self._secrets), since=request.created_at,
        )  # fmt: skip

    async def _text(
        self, installation: Installation, request: Request, here: Here, one: Mapping[str, Any]
    ) -> str:
        say = str(one["say"])
        if say.startswith("unknown_"):
            return replies.misread(
                self._secrets, kind=say.removeprefix("unknown_"), unknown=one["unknown"], word=one["word"],
                suggestion=one["suggestion"], allowed=one["allowed"],
            )  # fmt: skip
        if say == "too_many":
            return replies.too_many(int(one["left_out"]))
        if say == "option_refused":
            return replies.option_refused(here, why=str(one["why"]))
        if say == "refused":
            return replies.refused(
                here, login=request.actor or "", needs=one["needs"], has=one["has"], key=one["key"],
                what=one["what"],
            )  # fmt: skip
        if say == "config":
            return await self._configuration(installation, request)
        return replies.STANDING[say](here)

    async def _configuration(self, installation: Installation, request: Request) -> str:
        found, complaint, text = await self._configured.shown(installation, request.repository)
        shown = effective.settings(found, self._settings, fresh=not complaint)
        return configured_words.show(shown, self._secrets, found=text is not None, error=complaint)

    async def _here(self, installation: Installation, request: Request, one: Mapping[str, Any]) -> Here:
        kept = await self._configured.kept(request.repository_id or 0)
        return Here(
            secrets=self._secrets,
            slug=(await installation.identity()).slug,
            label=(kept.label if kept is not None else None) or self._settings.label,
            allow=(kept or Configuration()).allow.model_dump(),
            issue=one.get("issue"),
            pull=one.get("pull"),
            status=TaskState(one["status"]) if one.get("status") else None,
            reason=Reason(one["reason"]) if one.get("reason") else None,
            paused_by=PausedBy(one["paused_by"]) if one.get("paused_by") else None,
            stopping=bool(one.get("stopping")),
            pull_state=str(one.get("pull_state") or ""),
            issue_closed=bool(one.get("issue_closed")),
            status_url=await self._status_url(request, one),
        )

    async def _status_url(self, request: Request, one: Mapping[str, Any]) -> str:
        session, number = one.get("session"), one.get("issue") or one.get("pull")
        effect = await self._ledger.find(f"st-{session}") if session else None
        if effect is None or not effect.external_id:
            return ""
        place = f"{self._settings.github_server_url}/{request.repository}/issues/{number}"
        return f"{place}#issuecomment-{effect.external_id}"


def _number(request: Request) -> int | None:
    told = (request.answer or {}).get("number", request.issue_number)
    return int(told) if told is not None else None
