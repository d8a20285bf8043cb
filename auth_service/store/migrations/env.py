"""Run by Alembic. The connection, and with it the transaction and the lock, is that of ``store.migrate``."""

from alembic import context

from auth_service.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
