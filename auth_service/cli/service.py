"""``serve`` and ``migrate``."""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from auth_service.app import create_app
from auth_service.logs import configure_logs
from auth_service.serving import allow_many_connections, bind
from auth_service.serving import serve as serve_here
from auth_service.settings import Settings, load_settings
from auth_service.shared_metrics import shared_directory
from auth_service.store.migrate import upgrade
from auth_service.store.privileges import grant
from auth_service.store.sql import open_database, open_store
from auth_service.telemetry import require_telemetry
from auth_service.web.tracing import add_trace_id


def serve() -> None:
    """Serve until SIGTERM. Prints one line with the address when ready."""
    settings = load_settings()
    configure_logs(settings.log_level, add_trace_id)
    require_telemetry()
    app = create_app(settings)
    allow_many_connections()
    listener = bind(settings.host, settings.port)
    if settings.workers == 1:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve_here(app, settings, listener))
        return
    from auth_service.workers import serve_with_workers

    # Problems of the database are named before any worker starts, and each worker finds the schema current.
    asyncio.run(_check_store(settings))
    with shared_directory():
        serve_with_workers(partial(create_app, settings), settings, listener)


async def _check_store(settings: Settings) -> None:
    async with open_store(settings.database_url.get_secret_value()) as store:
        await store.ping()


GrantTo = Annotated[
    str | None, typer.Option(metavar="ROLE", help="Let this role of PostgreSQL serve: it may work on rows, no more.")
]


def migrate(grant_to: GrantTo = None) -> None:
    """Bring the database schema up to date; safe to run at any time, and in several processes at once."""
    settings = load_settings()
    before, after = asyncio.run(_migrate(settings, grant_to))
    Console().print(f"schema {after}: already there" if before == after else f"schema {before or 'empty'} → {after}")


async def _migrate(settings: Settings, grant_to: str | None) -> tuple[str | None, str]:
    database = open_database(settings.database_url.get_secret_value())
    try:
        revisions = await upgrade(database)
        if grant_to is not None:
            await grant(database, grant_to)
        return revisions
    finally:
        await database.close()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory, or None where there is no uvloop (Windows)."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
