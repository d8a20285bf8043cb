"""What commands on the database share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from auth_service.errors import StartupError
from auth_service.settings import load_settings
from auth_service.store import Store
from auth_service.store.sql import open_store
from auth_service.web.login import Name

T = TypeVar("T")


def with_store(work: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store of the settings for *work*. Raises: StartupError, Unavailable."""

    async def run() -> T:
        async with open_store(load_settings().database_url.get_secret_value()) as store:
            return await work(store)

    return asyncio.run(run())


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
