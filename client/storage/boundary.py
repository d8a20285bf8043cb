"""The one place where a storage's errors become a :class:`StorageError`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import StorageError

_T = TypeVar("_T")


class Stalled(StorageError):
    """A storage that has not answered in time."""


async def guarded(timeout_s: float, call: Callable[..., Awaitable[_T]], *arguments: object) -> _T:
    """Await one call of a back end.

    Raises:
        Stalled: no answer within *timeout_s* seconds, or its own TimeoutError.
        StorageError: anything else that it raises. Of an error that is neither a StorageError nor an OSError the kind
            alone is told: some back ends quote what they were given.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await call(*arguments)
    except StorageError:
        raise
    except TimeoutError:
        raise Stalled("no answer in time") from None
    except OSError as error:
        raise StorageError(error.strerror or type(error).__name__) from None
    except Exception as error:
        raise StorageError(f"{type(error).__module__}.{type(error).__qualname__}") from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise StorageError("interrupted") from None  # inside the back end: nobody has cancelled this task
