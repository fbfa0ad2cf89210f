"""Hand a stored delivery to its handlers again."""

import contextlib
import json
import sys

from gidgethub import sansio

from bot.settings import Settings
from bot.web import writer
from handlers import routes
from handlers.policy import Policy
from storage import database as databases
from storage import deliveries, schema
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
            if not routes.takes(routes.router(), event):
                sys.stdout.write(f"{row.event}: no handler takes this event\n")
                return True
            state = await writer.handle(session, routes.router(), event, Policy(label=settings.label))
    sys.stdout.write(f"{row.event}: {state}\n")
    return state is DeliveryState.HANDLED
