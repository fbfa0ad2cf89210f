"""Run the migrations on the connection that `storage.schema.upgrade` hands in."""

from alembic import context

from storage import models, records
from storage.metadata import Model

# Defining the tables is what fills the metadata.
TABLES = (models, records)

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Model.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
