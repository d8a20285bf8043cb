"""What commands on the database share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from dualtoken_serving.command import command_name

from ..domain.clock import wall_clock
from ..domain.names import Name
from ..errors import StartupError
from ..settings import load_settings
from ..store import Store
from ..store.database_url import missing_file
from ..store.sql import open_store

T = TypeVar("T")


def with_store(work: Callable[[Store], Awaitable[T]], *, makes_it: bool = False) -> T:
    """Open the store of the settings for *work*.

    Args:
        work: what to do.
        makes_it: whether a SQLite file that is missing is made: by what puts users in. Any other command would look at
            an empty database, in a folder where nobody meant to have one.

    Raises:
        StartupError: the settings, or the schema, are wrong; or the file is missing.
        Unavailable: the database does not answer.
    """

    async def run() -> T:
        settings = load_settings()
        missing = None if makes_it else missing_file(settings.database_url.get_secret_value())
        if missing is not None:
            command = f"`{command_name(__name__)} migrate`"
            raise StartupError(
                f"AUTH_DATABASE_URL: no database {missing.absolute()}: name another, or make it by {command}"
            )
        async with open_store(*settings.database, accept_newer=settings.accept_newer_schema) as store:
            return await work(store)

    return asyncio.run(run())


async def now_of(store: Store) -> int:
    """Return milliseconds since the epoch: what is said to the database must agree with what services say to it."""
    reading = await store.read_clock()
    return reading.at if reading.is_clock else wall_clock()


def possible_name(name: str) -> str:
    """Return a name that an account may have; the database is not asked for any other."""
    try:
        return str(TypeAdapter(Name).validate_python(name))
    except ValidationError:
        raise StartupError(f"no user {name!a}") from None


def require_user(found: T | None, name: str) -> T:
    """Return what was found of a user. Raises: StartupError: nothing was."""
    if found is None:
        raise StartupError(f"no user {name}")
    return found
