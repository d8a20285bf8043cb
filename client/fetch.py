"""The ``get`` command: one request, signed."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from client.errors import ConfigurationError
from client.exits import Exit
from client.middleware import BearerAuth
from client.source import TokenSource


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request as the command line describes it.

    Attributes:
        data: None: no body; ``@FILE``: that file's bytes, ``@-``: standard input's; else the text itself.
        headers: as ``Name: value``.
        output: None: standard output.
    """

    url: str
    method: str | None
    data: str | None
    headers: list[str]
    include: bool
    output: Path | None
    timeout_s: float
    allow_insecure: bool

    async def run(self, tokens: TokenSource) -> Exit:
        """Send the request; print its answer.

        Raises:
            ConfigurationError: an address, header or file that cannot work.
            ClientError, aiohttp.ClientError, OSError: what stood in the way.
        """
        auth = BearerAuth(tokens, origins=[_origin(self.url)], allow_insecure=self.allow_insecure)
        headers = _headers(self.headers)
        if self.data is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeout_s, sock_read=self.timeout_s)
        method = self.method or ("GET" if self.data is None else "POST")
        async with (
            aiohttp.ClientSession(middlewares=[auth], timeout=timeout) as http,
            http.request(method, self.url, data=_body(self.data), headers=headers) as response,
        ):
            await self._print(response)
            return Exit.HTTP_ERROR if response.status >= 400 else Exit.OK

    async def _print(self, response: aiohttp.ClientResponse) -> None:
        if self.output is not None:
            with self.output.open("wb") as file:
                await _copy(response, file, include=self.include)
        else:
            await _copy(response, sys.stdout.buffer, include=self.include)
            if sys.stdout.isatty():
                sys.stdout.write("\n")


async def _copy(response: aiohttp.ClientResponse, file: IO[bytes], *, include: bool) -> None:
    if include:
        version = response.version
        dotted = f"{version.major}.{version.minor}" if version else "1.1"
        lines = [
            f"HTTP/{dotted} {response.status} {response.reason}",
            *(f"{k}: {v}" for k, v in response.headers.items()),
        ]
        file.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode("utf-8", "surrogateescape"))
    async for chunk in response.content.iter_any():
        file.write(chunk)


def _origin(url: str) -> URL:
    try:
        return URL(url).origin()
    except ValueError:
        raise ConfigurationError("not an address: write it like https://api.example/home") from None


def _headers(lines: list[str]) -> CIMultiDict[str]:
    headers = CIMultiDict[str]()
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            # The line itself may be a secret.
            raise ConfigurationError("a header is written as 'Name: value'")
        headers.add(name.strip(), value.strip())
    return headers


def _body(data: str | None) -> Any:
    if data is None or not data.startswith("@"):
        return None if data is None else data.encode("utf-8", "surrogateescape")
    if data == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(data[1:]).open("rb")  # aiohttp closes it, and can send it again after a 401
    except OSError as error:
        raise ConfigurationError(f"{data[1:]}: {error.strerror}") from None
