"""Run the migrations on the connection that `storage.schema.upgrade` hands in."""

from alembic import context

from storage.models import Model

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Model.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
