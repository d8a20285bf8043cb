"""``serve`` and ``migrate``."""

import asyncio
import sys
from functools import partial
from typing import Annotated

import typer

from dualtoken_serving.logs import configure_logs
from dualtoken_serving.process import Serving, run
from dualtoken_serving.settings_source import tell_of_strangers
from dualtoken_serving.telemetry import require_telemetry

from ..app import create_app
from ..errors import StartupError, Unavailable
from ..settings import HANDLING, PREFIX, Settings, load_settings
from ..store import TRANSACTION_S
from ..store.migrate import upgrade
from ..store.privileges import grant
from ..store.sql import open_database, open_store

NAME = "auth_service"
# How long a thread may wait for the interpreter's lock while the event loop holds it: the default, 5 ms, is longer than
# a whole transaction, and would make SQLite's thread begin only when the event loop has nothing left to do.
_SWITCH_INTERVAL_S = 0.0002
_EXIT_S = 2
"""More than a worker needs to exit after its last transaction, which may outlast the shutdown time."""


def serve() -> None:
    """Serve until SIGTERM; print one line with the address when ready."""
    settings = load_settings()
    configure_logs(settings.log_level, NAME, never_wait=True)
    tell_of_strangers(Settings)
    require_telemetry()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    create_app(settings)  # problems of the key files are named before anything starts
    if settings.workers > 1:
        # Problems of the database, too, and each worker finds the schema current.
        asyncio.run(_check_store(settings))
    run(serving_of(settings))


def serving_of(settings: Settings) -> Serving:
    """Describe this service to the code that serves it."""
    return Serving(
        service=NAME,
        prefix=PREFIX,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
        handling_s=settings.shutdown_s * HANDLING,
        ending_s=settings.shutdown_s + TRANSACTION_S + _EXIT_S,
        make_app=partial(create_app, settings),
        waits_for=(StartupError, Unavailable),
    )


async def _check_store(settings: Settings) -> None:
    async with open_store(*settings.database, accept_newer=settings.accept_newer_schema) as store:
        await store.ping()


GrantTo = Annotated[
    str | None, typer.Option(metavar="ROLE", help="Grant this PostgreSQL role what serving needs: rows only.")
]


def migrate(grant_to: GrantTo = None) -> None:
    """Migrate the database schema; safe at any time, and in several processes at once."""
    settings = load_settings()
    before, after = asyncio.run(_migrate(settings, grant_to))
    typer.echo(f"schema {after}: already there" if before == after else f"schema {before or 'empty'} -> {after}")


async def _migrate(settings: Settings, grant_to: str | None) -> tuple[str | None, str | None]:
    database = open_database(*settings.database)
    try:
        revisions = await upgrade(database)
        if grant_to is not None:
            await grant(database, grant_to, settings.database_schema)
        return revisions
    finally:
        await database.close()
