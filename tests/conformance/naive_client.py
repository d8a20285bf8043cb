"""A client as it is often written, to show that the scenarios tell it from a good one."""

import asyncio
import json
from pathlib import Path

import aiohttp

from tests.conformance.adapter import Answer, Body, SessionEnded


class NaiveClient:
    """Signs everything, refreshes on each 401 by itself, sends each refresh once."""

    def __init__(self, auth_url: str, api_url: str, *, token_file: Path, timeout_s: float, connections: int) -> None:
        del api_url
        self._auth_url = auth_url
        self._file = token_file
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections), timeout=aiohttp.ClientTimeout(total=timeout_s)
        )

    async def login(self, username: str, password: str) -> None:
        """Open a session."""
        await self._post("login", {"username": username, "password": password})

    async def request(self, method: str, url: str, body: Body = None) -> Answer:
        """Send a request; on a 401 refresh and repeat it."""
        answer = await self._send(method, url, body)
        if answer.status == 401:
            await self._post("refresh", {"refresh_token": self._tokens()["refresh_token"]})
            answer = await self._send(method, url, body)
        return answer

    async def logout(self, *, everywhere: bool = False) -> None:
        """Forget the session."""
        del everywhere
        self._file.unlink()

    def sleep(self, seconds: float) -> None:
        """Read no clock."""
        del seconds

    async def let_pass(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    def _tokens(self) -> dict[str, str]:
        if not self._file.exists():
            raise SessionEnded
        tokens: dict[str, str] = json.loads(self._file.read_text())
        return tokens

    async def _send(self, method: str, url: str, body: Body) -> Answer:
        headers = {"Authorization": f"Bearer {self._tokens()['access_token']}"}
        async with self._http.request(method, url, data=body, headers=headers) as response:
            return Answer(response.status, await response.read())

    async def _post(self, call: str, body: dict[str, str]) -> None:
        async with self._http.post(f"{self._auth_url}/{call}", json=body) as response:
            if response.status != 200:
                raise SessionEnded
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(await response.json()))
