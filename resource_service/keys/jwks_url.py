"""A JWK Set behind a URL: public keys that the issuer publishes (RFC 8414 ``jwks_uri``)."""

import aiohttp
from yarl import URL

from dualtoken_serving.proxies import proxy_for
from dualtoken_serving.tracing import outgoing

from ..errors import KeySetRefused
from ..verification.jwk_set import KeySet, parse_jwk_set
from .key_file import KEY_SET_LIMIT
from .url_policy import checked_endpoint

MEDIA_TYPES = "application/jwk-set+json, application/json"
"""Of a key set (RFC 7517 §8.5.2), and what most issuers call it."""
FETCH_TIMEOUT_S = 4.0
# A retired key must be gone within 10 s: one interval and one timeout together stay below.
INTERVAL_S = 4.0


class JwksUrl:
    """Fetches the set from one URL. Redirects are not followed, so no other host is ever asked.

    Raises:
        ValueError: *url* is not acceptable, see :func:`checked_endpoint`.
    """

    local = False

    def __init__(self, url: str, *, interval_s: float = INTERVAL_S, timeout_s: float = FETCH_TIMEOUT_S) -> None:
        self._url = checked_endpoint(url)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self.name = str(self._url.with_query(None))  # for the log: a signed URL is a key to what it names
        self.interval_s = interval_s

    async def fetch(self) -> KeySet:
        """Ask for the set.

        Raises:
            KeySetRefused: no good answer, or one that holds a secret: whoever publishes that must not be believed.
        """
        try:
            proxy = proxy_for(self._url)
        except ValueError as error:
            raise KeySetRefused(f"key set {self.name}: {error}") from None
        try:
            data = await self._get(proxy)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # TimeoutError is an OSError; a host name that cannot be encoded, a UnicodeError.
            raise KeySetRefused(f"key set {self.name}: {type(error).__name__}") from None
        try:
            keys = parse_jwk_set(data)
        except KeySetRefused as error:
            raise KeySetRefused(f"key set {self.name}: {error}") from None
        if keys.secret:
            raise KeySetRefused(f"key set {self.name}: publishes a shared or private key")
        return keys

    async def _get(self, proxy: URL | None) -> bytes:
        headers = {"Accept": MEDIA_TYPES} | outgoing()
        async with (
            aiohttp.ClientSession(timeout=self._timeout) as session,
            session.get(self._url, allow_redirects=False, headers=headers, proxy=proxy) as response,
        ):
            if response.status != 200:
                raise KeySetRefused(f"key set {self.name}: status {response.status}")
            data = bytearray()
            async for chunk in response.content.iter_chunked(KEY_SET_LIMIT):
                data += chunk
                if len(data) > KEY_SET_LIMIT:
                    raise KeySetRefused(f"key set {self.name}: larger than {KEY_SET_LIMIT} bytes")
            return bytes(data)
