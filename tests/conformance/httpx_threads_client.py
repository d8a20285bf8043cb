"""Client of httpx with BearerAuth, on threads, for the scenarios."""

from collections.abc import Iterator
from pathlib import Path

import httpx

from dualtoken.client.httpx import BearerAuth
from tests.conformance.adapter import Answer
from tests.conformance.httpx_client import NO_TLS
from tests.conformance.requests_client import RequestsClient
from tests.deadline import HANGS_S


class HttpxThreadsClient(RequestsClient):
    """A token source for threads, FileStorage and httpx together; each request on a thread."""

    def __init__(self, auth_url: str, api_url: str, *, token_file: Path, timeout_s: float, connections: int) -> None:
        super().__init__(auth_url, api_url, token_file=token_file, timeout_s=timeout_s, connections=connections)
        self._client = httpx.Client(
            auth=BearerAuth(self._tokens, origins=[api_url]),
            limits=httpx.Limits(max_connections=connections),
            timeout=HANGS_S,
            verify=NO_TLS,
            follow_redirects=True,
        )

    def _send(self, method: str, url: str, data: bytes | list[bytes] | None) -> Answer:
        sent: bytes | Iterator[bytes] | None = iter(data) if isinstance(data, list) else data
        response = self._client.request(method, url, content=sent)
        return Answer(response.status_code, response.content)

    async def close(self) -> None:
        """Let go of connections; as often as asked."""
        await super().close()
        self._client.close()
