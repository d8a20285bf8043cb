"""The ``get`` command: one request, signed."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ..errors import ConfigurationError
from ..middleware import BearerAuth, TokenProvider
from .exit_codes import Exit
from .http import http_session

_JSON: Final = "application/json"
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2: a method, the name of a header
_FORM: Final = "application/x-www-form-urlencoded"  # as curl, for what is not JSON


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request as the command line describes it.

    Attributes:
        data: None: no body; ``@FILE``: that file's bytes, ``@-``: standard input's; else the text itself.
        json: the same, for a body that is JSON and an answer that should be.
        headers: as ``Name: value``.
        output: None: standard output.
    """

    url: str
    method: str | None
    data: str | None
    json: str | None
    headers: list[str]
    include: bool
    output: Path | None
    timeout_s: float
    allow_insecure: bool
    cacert: Path | None

    async def run(self, tokens: TokenProvider) -> Exit:
        """Send the request; print its answer.

        Raises:
            ConfigurationError: an address, header or file that cannot work.
            ClientError, aiohttp.ClientError, OSError: what stood in the way.
        """
        auth = BearerAuth(tokens, origins=[_origin(self.url)], allow_insecure=self.allow_insecure)
        headers, body = _headers(self.headers), self._body()
        if body is not None:
            headers.setdefault("Content-Type", _JSON if self.json is not None else _content_type(body))
        if self.json is not None:
            headers.setdefault("Accept", _JSON)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeout_s, sock_read=self.timeout_s)
        method = self.method or ("GET" if body is None else "POST")
        if not _TOKEN.fullmatch(method):
            raise ConfigurationError(f"-X {method!r}: a method is one word, such as PUT")
        async with (
            http_session(self.cacert, middlewares=[auth], timeout=timeout) as http,
            http.request(method, self.url, data=body, headers=headers) as response,
        ):
            await self._print(response)
            return Exit.HTTP_ERROR if response.status >= 400 else Exit.OK

    def _body(self) -> bytes | IO[bytes] | None:
        if self.data is not None and self.json is not None:
            raise ConfigurationError("one body: --data or --json")
        data = self.json if self.json is not None else self.data
        return None if data is None else _read(data)

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
        if not colon or not _TOKEN.fullmatch(name.strip()) or any(sign in value.strip() for sign in "\r\n\0"):
            # The line itself may be a secret.
            raise ConfigurationError("a header is written as 'Name: value', in one line")
        headers.add(name.strip(), value.strip())
    return headers


def _read(data: str) -> bytes | IO[bytes]:
    if not data.startswith("@"):
        return data.encode("utf-8", "surrogateescape")
    if data == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(data[1:]).open("rb")  # aiohttp closes it, and can send it again after a 401
    except OSError as error:
        raise ConfigurationError(f"{data[1:]}: {error.strerror}") from None


def _content_type(body: bytes | IO[bytes]) -> str:
    """Say what a body is. A form that reads as a JSON object or list is not seen in the wild."""
    if not isinstance(body, bytes):
        return _JSON if str(body.name).lower().endswith(".json") else _FORM
    try:
        return _JSON if isinstance(json.loads(body), dict | list) else _FORM
    except (ValueError, RecursionError):
        return _FORM
