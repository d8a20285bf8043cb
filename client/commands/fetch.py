"""The ``get`` command: one request, signed."""

import json
import re
import sys
from collections.abc import Sequence
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
from .prompt import whole_process_waits

_JSON: Final = "application/json"
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2: a method, the name of a header
_FORM: Final = "application/x-www-form-urlencoded"  # as curl, for what is not JSON


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request as the command line describes it.

    Attributes:
        data: no part: no body; ``@FILE``: that file's bytes, ``@-``: standard input's; else the text itself. Several
            parts of a form are joined.
        json: the same, for a body that is JSON and an answer that should be.
        headers: as ``Name: value``; ``Name:`` takes off what would be sent by default, ``Name;`` has no value.
        output: None or ``-``: standard output.
    """

    url: str
    method: str | None
    data: Sequence[str]
    json: Sequence[str]
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
        auth = [BearerAuth(tokens, origins=[_origin(self.url)], allow_insecure=self.allow_insecure)]
        (headers, unwanted), body = _headers(self.headers), self._body()
        if body is not None:
            headers.setdefault("Content-Type", _JSON if self.json else _content_type(body))
        if self.json:
            headers.setdefault("Accept", _JSON)
        for name in unwanted:
            headers.popall(name, None)
            if name.lower() == "authorization":
                auth.clear()
        # As a header alone it would stand beside a Content-Length, which no service takes.
        chunked = headers.get("Transfer-Encoding", "").lower() == "chunked" and headers.pop("Transfer-Encoding")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeout_s, sock_read=self.timeout_s)
        method = self.method or ("GET" if body is None else "POST")
        if not _TOKEN.fullmatch(method):
            raise ConfigurationError(f"-X {method!r}: a method is one word, such as PUT")
        async with (
            http_session(self.cacert, middlewares=auth, timeout=timeout, skip_auto_headers=unwanted) as http,
            http.request(method, self.url, data=body, headers=headers, chunked=bool(chunked) or None) as response,
        ):
            await self._print(response)
            return Exit.HTTP_ERROR if response.status >= 400 else Exit.OK

    def _body(self) -> bytes | IO[bytes] | None:
        if self.data and self.json:
            raise ConfigurationError("one body: --data or --json")
        parts = self.json or self.data
        with whole_process_waits():
            try:
                if len(parts) == 1 and (file := _file(parts[0])) is not None:
                    return file
                return (b"" if self.json else b"&").join(map(_read, parts)) if parts else None
            except OSError as error:
                raise ConfigurationError(f"{error.filename or 'standard input'}: {error.strerror}") from None

    async def _print(self, response: aiohttp.ClientResponse) -> None:
        if self.output is not None and str(self.output) != "-":
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


def _headers(lines: list[str]) -> tuple[CIMultiDict[str], list[str]]:
    """Return what is to be sent, and the names of what is not."""
    headers, unwanted = CIMultiDict[str](), list[str]()
    for line in lines:
        name, colon, value = (part.strip() for part in line.partition(":"))
        is_empty = not colon and name.endswith(";")
        name = name.removesuffix(";") if is_empty else name
        if not (colon or is_empty) or not _TOKEN.fullmatch(name) or any(sign in value for sign in "\r\n\0"):
            # The line itself may be a secret.
            raise ConfigurationError("a header is written as 'Name: value', in one line")
        if value or is_empty:
            headers.add(name, value)
        else:
            unwanted.append(name)
    return headers, unwanted


def _file(data: str) -> IO[bytes] | None:
    """Return the file that is to be sent as it is: aiohttp closes it, and can send it again after a 401."""
    path = Path(data[1:])
    return path.open("rb") if data.startswith("@") and path.is_file() else None


def _read(data: str) -> bytes:
    """Return a part of a body: pipes as well, which can be read only once."""
    if not data.startswith("@"):
        return data.encode("utf-8", "surrogateescape")
    return sys.stdin.buffer.read() if data == "@-" else Path(data[1:]).read_bytes()


def _content_type(body: bytes | IO[bytes]) -> str:
    """Say what a body is. A form that reads as a JSON object or list is not seen in the wild."""
    if not isinstance(body, bytes):
        return _JSON if str(body.name).lower().endswith(".json") else _FORM
    try:
        return _JSON if isinstance(json.loads(body), dict | list) else _FORM
    except (ValueError, RecursionError):
        return _FORM
