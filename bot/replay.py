"""Hand a stored delivery to its handlers again."""

import contextlib
import json
import sys

from gidgethub import sansio

from bot.settings import Settings
from handlers import hearing, routes
from storage import database as databases
from storage import deliveries, requests, schema
from storage.words import DeliveryState


async def replay(settings: Settings, delivery_id: str) -> bool:
    """Run the handlers on the payload as it was received; a running worker finds the Requests by its scan.

    Repeating is harmless: a Request is known by its cause. Returns False when there is no such delivery or a
    handler raises again.
    """
    url = settings.database_url or databases.default_url(settings.data_dir)
    async with contextlib.aclosing(databases.connect(url)) as database:
        await schema.verify(database)
        async with database.transaction() as session:
            row = await deliveries.find(session, delivery_id)
            if row is None:
                sys.stdout.write(f"no delivery {delivery_id}\n")
                return False
            event = sansio.Event(json.loads(row.payload), event=row.event, delivery_id=row.id)
            (heard,) = await hearing.hear(session, routes.router(), [event], settings.label)
            await requests.add(session, heard.asks)
            await deliveries.mark(session, row.id, heard.state, heard.error)
    sys.stdout.write(f"{row.event}: {heard.state}\n")
    return heard.state is not DeliveryState.PARKED
