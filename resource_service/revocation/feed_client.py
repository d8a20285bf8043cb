"""The auth service's revocation feed, one question at a time."""

from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import aiohttp
import pydantic
from typing_extensions import TypedDict  # of typing from Python 3.12 on, as pydantic needs it

from dualtoken_serving.proxies import proxy_for
from dualtoken_serving.tracing import outgoing

from ..errors import FeedRefused
from ..keys.url_policy import checked_endpoint
from .service_secret import ServiceSecret

ANSWER_TIMEOUT_S = 10.0
"""Seconds that an answer may take beyond those that it was asked to wait for news."""
ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer: the auth service tells 2,000 revocations at once; another feed may tell half a million."""
CHUNK = 64 * 1024


class Entry(TypedDict):
    """One revoked session. No model: there may be hundreds of thousands, and requests wait while they are read."""

    sid: Annotated[str, pydantic.Field(min_length=1, max_length=256)]


class Answer(pydantic.BaseModel):
    """What the feed answers.

    Attributes:
        cursor: where the next question goes on.
        access_ttl_s: seconds that the issuer's access tokens live, where the feed says so.
        more: there is more to be told at once.
    """

    cursor: str = pydantic.Field(min_length=1, max_length=1024)
    revoked: list[Entry]
    access_ttl_s: int | None = pydantic.Field(default=None, gt=0)
    more: bool = False


class RevocationFeed:
    """A connection to the feed; open it with ``async with``.

    Args:
        url: the whole URL of the feed.
        secret: the service secret that it asks for, or the file that holds it.

    Raises:
        ValueError: *url* is not acceptable, see :func:`checked_endpoint`; or there is no secret.
    """

    def __init__(self, url: str, secret: str | Path) -> None:
        self._url = checked_endpoint(url)
        self._secret = ServiceSecret(secret)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, after: str | None, wait_s: int) -> Answer:
        """Ask what was revoked.

        Args:
            after: the cursor of the answer before; None asks for everything that still matters.
            wait_s: seconds that the feed may hold the answer back until there is news.

        Raises:
            FeedRefused: there was no answer, or not one that the protocol knows; ``cursor_refused`` says whether the
                cursor was the reason.
        """
        try:
            return _read(await self._get(after, wait_s))
        except (aiohttp.ClientError, OSError) as error:
            # Their texts quote what was received, and the representation of some holds the headers of the request:
            # the service secret. TimeoutError is an OSError.
            raise FeedRefused(type(error).__name__) from None

    async def _get(self, after: str | None, wait_s: int) -> bytes:
        if self._session is None:
            raise RuntimeError("open the feed with async with")
        query = {"wait": str(wait_s)} | ({} if after is None else {"after": after})
        timeout = aiohttp.ClientTimeout(total=wait_s + ANSWER_TIMEOUT_S)
        # Redirects are not followed: the secret is for this URL alone.
        url, headers = self._url.update_query(query), {"Authorization": f"Bearer {self._secret.shown()}", **outgoing()}
        try:
            proxy = proxy_for(url)
        except ValueError as error:
            raise FeedRefused(str(error)) from None
        async with self._session.get(
            url, headers=headers, allow_redirects=False, timeout=timeout, proxy=proxy
        ) as response:
            if response.status != 200:
                raise FeedRefused(f"status {response.status}", cursor_refused=response.status == 400)
            return await _bounded(response)


def _read(data: bytes) -> Answer:
    try:
        return Answer.model_validate_json(data)
    except pydantic.ValidationError as error:
        raise FeedRefused(f"an answer with {error.error_count()} faults") from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        data += chunk
        if len(data) > ANSWER_LIMIT:
            raise FeedRefused(f"an answer larger than {ANSWER_LIMIT} bytes")
    return bytes(data)
