"""What a scrape shows is what was answered and what the tables hold."""

from pathlib import Path

from storage.database import Database
from tests.webhook_post import PATH, labeled, receiving


async def test_a_scrape_counts_answers_and_shows_the_tables(database: Database, tmp_path: Path) -> None:
    """Stored, repeated and refused deliveries are counted by status; waiting Requests are shown."""
    async with receiving(database, tmp_path) as hook:
        await hook.post(labeled(), id_="one")
        await hook.post(labeled(), id_="one")
        await hook.post(labeled(), id_="two", X_Hub_Signature_256="sha256=0")
        async with hook.http.get(hook.url.replace(PATH, "/metrics")) as answer:
            text = await answer.text()

    assert 'journeyman_webhook_deliveries_total{status="202"} 1.0' in text
    assert 'journeyman_webhook_deliveries_total{status="200"} 1.0' in text
    assert 'journeyman_webhook_deliveries_total{status="401"} 1.0' in text
    assert "journeyman_webhook_ack_seconds_count 3.0" in text
    assert "journeyman_requests_waiting 1.0" in text
    assert 'journeyman_tasks{status="RUNNING"} 0.0' in text
