"""Refreshes that a login or logout has overtaken."""

import asyncio

from dualtoken.client import TokenSource


async def late_answers(source: TokenSource) -> None:
    """Return when refreshes that a login or logout has superseded are over."""
    await asyncio.gather(*(flight.task for flight in source._leaving), return_exceptions=True)
