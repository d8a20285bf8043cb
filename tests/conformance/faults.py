"""What can be made to go wrong with one answer of the fake auth service."""

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import Literal, Self

from aiohttp import web

Kind = Literal[
    "drop_before", "drop_after", "status", "hang_before", "hang_after", "body", "half", "huge", "redirect", "none"
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; the next call takes it.

    Attributes:
        kind: ``drop_before``/``drop_after``: the connection breaks, before or after the tokens were rotated;
            ``hang_before``/``hang_after``: nothing comes until the control API says so; ``status``: *status* with
            *retry_after*; ``body``: *status* with *body* as *content_type*, after rotating; ``half``: the answer
            breaks off in the middle, after rotating; ``huge``: 100 MB of spaces; ``redirect``: 307 to *body*;
            ``none``: it goes well.
    """

    kind: Kind
    status: int = 200
    retry_after: str | None = None
    body: str = ""
    content_type: str = "application/json"

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Self:
        """Read what :meth:`to_json` wrote."""
        return cls(**data)  # type: ignore[arg-type]  # the control API is called by tests only

    def to_json(self) -> dict[str, object]:
        """Write the fault for the control API."""
        return asdict(self)


def drop(request: web.Request) -> web.Response:
    """Break the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def status(fault: Fault) -> web.Response:
    """Answer with the status of *fault*."""
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return web.json_response({"error": "unavailable"}, status=fault.status, headers=headers)


async def half(request: web.Request, answer: dict[str, object]) -> web.StreamResponse:
    """Promise the whole answer, send half of it, break the connection."""
    text = json.dumps(answer).encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(text))})
    await response.prepare(request)
    await response.write(text[: len(text) // 2])
    drop(request)
    return response


async def huge(request: web.Request) -> web.StreamResponse:
    """Send 100 MB, for as long as anybody listens."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        for _ in range(1600):
            await response.write(b" " * 65536)
    except (ConnectionError, asyncio.CancelledError):
        pass
    return response
