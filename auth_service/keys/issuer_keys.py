"""The keys of an issuer that is not ours: fetched when an assertion needs them, and remembered for some minutes."""

import asyncio
import time
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
from jwt import PyJWK
from yarl import URL

from dualtoken_serving.proxies import proxy_for

from ..domain.foreign_keys import ForeignKeys, read_foreign_keys
from ..domain.jws import read_object
from ..domain.trusted_issuers import TrustedIssuer, read_trusted_issuers, safe_url
from ..errors import StartupError
from ..events.assertions import AssertionEvents
from ..grant_errors import IssuerUnavailable

FRESH_S: Final = 300.0
"""How long keys count that were fetched: what the issuer withdraws is gone by then."""
GAP_S: Final = 1.0
"""Between two fetches: forged assertions must not become a load on the issuer."""
TIMEOUT_S: Final = 5.0
MAX_BYTES: Final = 64 * 1024
"""Of a key set, and of metadata."""
_METADATA: Final = "/.well-known/openid-configuration"  # OpenID Connect Discovery §4
# Of key sets (RFC 7517 §8.5.2), and of metadata; most issuers call both by the second.
_HEADERS: Final = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}


def read_issuer_file(path: Path) -> Mapping[str, TrustedIssuer]:
    """Return the entries of the file that ``AUTH_TRUSTED_ISSUERS`` names. Raises: StartupError."""
    try:
        return read_trusted_issuers(path.read_bytes())
    except OSError as exc:
        raise StartupError(f"AUTH_TRUSTED_ISSUERS: {path}: {exc.strerror}") from None
    except ValueError as problem:
        raise StartupError(f"AUTH_TRUSTED_ISSUERS: {path}: {problem}") from None


class IssuerKeys:
    """The keys of one issuer.

    Args:
        entry: of the issuer.
        events: hears of every change, and of every failure.
        gap_s: seconds between two fetches, at least.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        entry: TrustedIssuer,
        events: AssertionEvents,
        *,
        gap_s: float = GAP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.entry = entry
        self._events, self._gap_s, self._clock = events, gap_s, clock
        self._keys, self._fresh_until, self._began_at = ForeignKeys(()), -1.0, clock() - gap_s
        self._running: asyncio.Task[ForeignKeys] | None = None
        self._next: asyncio.Task[ForeignKeys] | None = None

    async def find(self, kid: str | None, alg: str, *, other_than: PyJWK | None = None) -> PyJWK | None:
        """Return the key that assertions with these headers are signed by; None if the issuer has no such.

        A key that is not known is asked for, by a fetch that begins after this call: the issuer may sign with it since
        a moment ago. Any number of callers share that fetch, and wait ``GAP_S`` for it if need be.

        Args:
            kid: of the assertion, or None.
            alg: likewise.
            other_than: the key that was found before and has not signed: the issuer may have put another in its place.

        Raises:
            IssuerUnavailable: there are no keys, or none that are fresh.
        """
        if self._clock() >= self._fresh_until:
            return (await self._shared(self._running or self._newer())).find(kid, alg)
        known = self._keys.find(kid, alg)
        if known is None or known is other_than:
            return (await self._shared(self._newer())).find(kid, alg)
        return known

    async def aclose(self) -> None:
        """Ask no more."""
        tasks = [task for task in (self._running, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _shared(self, fetch: asyncio.Task[ForeignKeys]) -> ForeignKeys:
        return await asyncio.shield(fetch)  # who hangs up must not take the answer from the others

    def _newer(self) -> asyncio.Task[ForeignKeys]:
        if self._next is None:
            self._next = asyncio.create_task(self._fetch_in_turn())
        return self._next

    async def _fetch_in_turn(self) -> ForeignKeys:
        await asyncio.sleep(max(0.0, self._began_at + self._gap_s - self._clock()))
        self._running, self._next, self._began_at = self._next, None, self._clock()
        try:
            self._keys = await self._fetch()
        except ValueError as problem:
            self._events.keys_refused(self.entry.issuer, str(problem))
            raise IssuerUnavailable(str(problem)) from None
        finally:
            self._running = None
        self._fresh_until = self._began_at + FRESH_S
        self._events.keys_fetched(
            self.entry.issuer, [key.kid for key in self._keys.keys], self._keys.passed_over
        )  # fmt: skip
        return self._keys

    async def _fetch(self) -> ForeignKeys:
        """Raises: ValueError: the keys are not to be had, or none can be used."""
        entry = self.entry
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=_HEADERS,
        ) as http:
            uri = entry.jwks_uri or await self._jwks_uri(http)
            keys = read_foreign_keys(await _get(http, URL(uri)), entry.algorithms)
        if not keys.keys:
            raise ValueError(
                f"no key for {', '.join(entry.algorithms)}; {'; '.join(keys.passed_over[:3])}".rstrip("; ")
            )
        return keys

    async def _jwks_uri(self, http: aiohttp.ClientSession) -> str:
        metadata = _object(await _get(http, URL(self.entry.issuer.rstrip("/") + _METADATA)))
        if metadata.get("issuer") != self.entry.issuer:
            raise ValueError("the metadata is of another issuer (OpenID Connect Discovery §4.3)")
        uri = metadata.get("jwks_uri")
        if not isinstance(uri, str):
            raise ValueError("the metadata names no jwks_uri")  # noqa: TRY004 - one type for all that can be wrong
        try:
            safe_url(uri, beside_loopback=self.entry.is_loopback)
        except ValueError as problem:
            raise ValueError(f"jwks_uri is {problem}") from None
        return uri


def _object(data: bytes) -> dict[str, Any]:
    try:
        return read_object(data)
    except ValueError:
        raise ValueError("the metadata is not a JSON object") from None


class Issuers:
    """Those whose assertions are taken.

    Attributes:
        events: hears of what becomes of their assertions, too.
    """

    def __init__(self, path: Path | None, events: AssertionEvents) -> None:
        """Read the file; without one there are none. Raises: StartupError."""
        entries = read_issuer_file(path) if path else {}
        self._keys = {issuer: IssuerKeys(entry, events) for issuer, entry in entries.items()}
        self.events = events

    def find(self, issuer: str) -> IssuerKeys | None:
        """Return the keys of the issuer that is called so, if it is listed."""
        return self._keys.get(issuer)

    async def aclose(self) -> None:
        """Ask none of them any more."""
        for keys in self._keys.values():
            await keys.aclose()


async def _get(http: aiohttp.ClientSession, url: URL) -> bytes:
    """Return a document. No redirect is followed, so that no other host is ever asked. Raises: ValueError."""
    named = url.with_query(None)  # for the log: a signed URL is a key to what it names
    proxy = proxy_for(url)
    try:
        async with http.get(url, allow_redirects=False, proxy=proxy) as answer:
            if answer.status != 200:
                raise ValueError(f"{named}: status {answer.status}")
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise ValueError(f"{named}: compressed, which was not requested")
            data = bytearray()
            async for chunk in answer.content.iter_chunked(MAX_BYTES):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise ValueError(f"{named}: larger than {MAX_BYTES} bytes")
    except (aiohttp.ClientError, OSError, UnicodeError) as exc:
        # TimeoutError is an OSError; a host name that cannot be encoded, a UnicodeError.
        raise ValueError(f"{named}: {type(exc).__name__}") from None
    return bytes(data).removeprefix(BOM_UTF8)  # as some editors begin a file that is published
