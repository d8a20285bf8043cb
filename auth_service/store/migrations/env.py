"""Run by Alembic. The connection is that of ``store.migrate``; on SQLite it has begun a transaction for all."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
