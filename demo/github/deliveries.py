"""The deliveries decide what reaches the App's webhook: signed, in order, recorded, never retried."""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from demo.github.app import App
from demo.github.faults import Faults
from demo.github.user import Json

PATIENCE = aiohttp.ClientTimeout(total=10)  # docs.github.com: a receiver has 10 seconds
REFUSED = "failed to connect to host"


@dataclass(eq=False)
class Delivery:
    """One attempt to tell the App of an event; `payload` is the exact text that was signed."""

    id: int
    guid: str
    event: str
    action: str | None
    payload: bytes
    installation_id: int | None
    repository_id: int | None
    delivered_at: str = ""
    redelivery: bool = False
    seconds: float = 0
    status: str = ""
    status_code: int = 0
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""

    @property
    def name(self) -> str:
        """`event.action`, or the event alone."""
        return f"{self.event}.{self.action}" if self.action else self.event

    def json(self) -> Json:
        """Return the payload, parsed."""
        parsed: Json = json.loads(self.payload)
        return parsed


def signed_headers(app: App, event: str, guid: str, payload: bytes) -> dict[str, str]:
    """Return the headers of one delivery; without a secret GitHub sends no signature."""
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/0a1b2c3",
        "X-GitHub-Delivery": guid,
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": str(app.hook_id),
        "X-GitHub-Hook-Installation-Target-ID": str(app.id),
        "X-GitHub-Hook-Installation-Target-Type": "integration",
    }
    for name, algorithm in (("X-Hub-Signature", "sha1"), ("X-Hub-Signature-256", "sha256")):
        if app.webhook_secret:
            digest = hmac.new(app.webhook_secret.encode(), payload, algorithm).hexdigest()
            headers[name] = f"{hashlib.new(algorithm).name}={digest}"
    return headers


class Hookshot:
    """The queue of deliveries; `records` holds each attempt, oldest first. Without `url` nothing is sent."""

    def __init__(self, app: App, faults: Faults, stamp: Callable[[], str], new_id: Callable[[], int]) -> None:
        self.url: str | None = None
        self.records: list[Delivery] = []
        self._app = app
        self._faults = faults
        self._stamp = stamp
        self._new_id = new_id
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()

    def send(
        self,
        event: str,
        action: str | None,
        payload: Json,
        *,
        installation_id: int | None = None,
        repository_id: int | None = None,
    ) -> Delivery:
        """Queue one delivery and return it; its status is filled when it was answered."""
        text = json.dumps(payload, separators=(",", ":")).encode()
        delivery = Delivery(
            self._new_id(), str(uuid.uuid4()), event, action, text, installation_id, repository_id
        )
        return self._enqueue(delivery)

    def redeliver(self, past: Delivery) -> Delivery:
        """Queue the same event again, under the same delivery id (GUID)."""
        return self._again(past, past.guid, redelivery=True)

    def _again(self, past: Delivery, guid: str, *, redelivery: bool) -> Delivery:
        facts = (past.event, past.action, past.payload, past.installation_id, past.repository_id)
        return self._enqueue(Delivery(self._new_id(), guid, *facts, redelivery=redelivery))

    def _enqueue(self, delivery: Delivery) -> Delivery:
        delivery.delivered_at = self._stamp()
        delivery.request_headers = signed_headers(self._app, delivery.event, delivery.guid, delivery.payload)
        self.records.append(delivery)
        self._queue.put_nowait(delivery)
        return delivery

    async def settled(self) -> None:
        """Wait until every queued delivery was answered, failed or got lost."""
        await self._queue.join()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with aiohttp.ClientSession(timeout=PATIENCE, auto_decompress=True) as session:
            while True:
                batch = [await self._queue.get()]
                while len(batch) < self._faults.hold:
                    batch.append(await self._queue.get())
                if self._faults.hold:
                    self._faults.hold = 0
                    batch.reverse()
                for delivery in batch:
                    try:
                        await self._deliver(session, delivery)
                    finally:
                        self._queue.task_done()

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        rules = self._faults.delivery_of(delivery.name)
        if "duplicate" in rules:
            self._again(delivery, delivery.guid, redelivery=False)
        if "twin" in rules:
            self._again(delivery, str(uuid.uuid4()), redelivery=False)
        if "delay" in rules:
            await asyncio.sleep(rules["delay"].seconds)
        if "drop" in rules or self.url is None:
            delivery.status = REFUSED
            return
        started = time.monotonic()
        delivery.delivered_at = self._stamp()
        await self._post(session, self.url, delivery)
        delivery.seconds = round(time.monotonic() - started, 2)

    async def _post(self, session: aiohttp.ClientSession, url: str, delivery: Delivery) -> None:
        try:
            async with session.post(
                url, data=delivery.payload, headers=delivery.request_headers, allow_redirects=False
            ) as answer:
                body = await answer.text(errors="replace")
        except TimeoutError:
            delivery.status = "timed out"
        except aiohttp.ClientError:
            delivery.status = REFUSED
        else:
            good = 200 <= answer.status < 300
            delivery.status_code = answer.status
            delivery.status = "OK" if good else f"Invalid HTTP Response: {answer.status}"
            delivery.response_headers = dict(answer.headers)
            delivery.response_body = body
