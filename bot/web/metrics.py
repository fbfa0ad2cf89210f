"""Count what comes in and show what the tables hold, in Prometheus' text format."""

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from sqlalchemy import func, select

from storage.database import Database
from storage.models import Request, Task
from storage.records import Charge
from storage.words import TaskState


class Metrics:
    """What this process has answered, and the state of everything at the moment of the scrape.

    No label names a repository or a person: the number of series must not grow with the installations.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "journeyman_webhook_deliveries",
            "Webhook requests, by HTTP status.",
            ["status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "journeyman_webhook_ack_seconds",
            "Time from a webhook request to its answer.",
            registry=self._registry,
        )
        self._tasks = Gauge("journeyman_tasks", "Tasks, by state.", ["status"], registry=self._registry)
        self._waiting = Gauge(
            "journeyman_requests_waiting", "Requests that no worker has dispatched.", registry=self._registry
        )
        self._cost = Gauge(
            "journeyman_model_cost_usd", "Cost of all model calls, in US dollars.", registry=self._registry
        )

    def answered(self, status: int, seconds: float) -> None:
        """Count one answer to a webhook request."""
        self._answers.labels(str(status)).inc()
        self._seconds.observe(seconds)

    async def show(self, request: web.Request) -> web.Response:
        """Answer a scrape."""
        del request
        async with self._database.reading() as session:
            by_state = select(Task.status, func.count()).group_by(Task.status)
            counts = {row[0]: row[1] for row in await session.execute(by_state)}
            waiting = select(func.count()).where(Request.dispatched_at.is_(None)).select_from(Request)
            cost = select(func.sum(func.coalesce(Charge.settled_usd, Charge.reserved_usd)))
            self._waiting.set(await session.scalar(waiting) or 0)
            self._cost.set(float(await session.scalar(cost) or 0))
        for state in TaskState:
            self._tasks.labels(state).set(counts.get(state, 0))
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
