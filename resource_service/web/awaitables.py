"""Plain functions that return a coroutine, where aiohttp insists on coroutine functions."""

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


def as_coroutine_function(function: _Function) -> _Function:
    """Declare that what *function* returns is to be awaited, although it was not written with ``async``."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    # Before inspect had a public mark, asyncio had this one; unittest.mock and asgiref use it, too.
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    return function
