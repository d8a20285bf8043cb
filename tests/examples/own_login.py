"""The example ``own-login`` as its users meet it: what they type, and what they find in their mail."""

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, message_from_string
from email.message import Message
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiosmtpd.controller import Controller

from tests.deadline import HANGS_S
from tests.ports import held_ports
from tests.system.eventually import eventually

PASSWORD, ANOTHER = "correct horse battery staple", "purple monkey dishwasher lamp"
EMAIL = "li.si@example.org"
ISSUER, AUDIENCE = "http://localhost:8001", "http://localhost:8002"
BACKEND_SECRET = "a backend secret of 32 characters, or more"
WITHIN_S = 300

# As aiosmtpd prints it; what the client asked for stands before the headers.
_PRINTED = re.compile(
    r"^-+ MESSAGE FOLLOWS -+\n(?:mail options: .*\n\n)?(.*?)^-+ END MESSAGE -+$", re.MULTILINE | re.DOTALL
)


class Mailbox(Protocol):
    """Where a visitor finds mails."""

    async def next(self) -> Message:
        """Return the next mail, once it has come."""


class PrintedMails:
    """What ``python -m aiosmtpd`` prints to a file."""

    def __init__(self, file: Path, port: int) -> None:
        self._file, self._port, self._read = file, port, 0

    async def ready(self) -> None:
        """Return once it takes mails."""
        await eventually(self._listens, WITHIN_S)

    def _listens(self) -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", self._port)) == 0

    async def next(self) -> Message:
        """See ``Mailbox``."""
        await eventually(lambda: len(self._mails()) > self._read, WITHIN_S)
        self._read += 1
        return message_from_string(self._mails()[self._read - 1])

    def _mails(self) -> list[str]:
        return _PRINTED.findall(self._file.read_text())


class MailServer:
    """A real SMTP server, which keeps what it gets."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self.mails = loop, asyncio.Queue[Message]()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail, in the server's own thread."""
        self._loop.call_soon_threadsafe(self.mails.put_nowait, message_from_bytes(envelope.content))
        return "250 OK"

    async def next(self) -> Message:
        """Return the next mail, once it has come."""
        return await asyncio.wait_for(self.mails.get(), WITHIN_S)


@contextmanager
def mail_server() -> Iterator[tuple[MailServer, str]]:
    """Serve until the end of the block; give the server, and its address as the example's ``SMTP``."""
    server = MailServer(asyncio.get_running_loop())
    with held_ports(1) as [port]:
        controller = Controller(server, hostname="127.0.0.1", port=port, ready_timeout=HANGS_S)
        controller.start()
        try:
            yield server, f"127.0.0.1:{port}"
        finally:
            controller.stop()


def token_in(mail: Message) -> str:
    """Return the token of a mail's link."""
    [link] = re.findall(r"^http\S+", str(mail.get_payload()), re.MULTILINE)
    [token] = parse_qs(urlsplit(link).query)["token"]
    return token


@dataclass
class Visitor:
    """Somebody with a browser and a mailbox."""

    http: aiohttp.ClientSession
    app: str
    auth: str
    mail: Mailbox
    tokens: dict[str, Any] = field(default_factory=dict)

    async def post(self, url: str, **body: str) -> tuple[int, dict[str, Any]]:
        """Send a form."""
        async with self.http.post(url, data=body) as answer:
            return answer.status, dict(await answer.json())

    async def log_in(self, password: str) -> int:
        """Log in at the auth service; return the status."""
        status, body = await self.post(f"{self.auth}/login", username=EMAIL, password=password)
        self.tokens = body
        return status

    async def me(self) -> tuple[int, str | None]:
        """Ask who the application takes one for."""
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        async with self.http.get(f"{self.app}/me", headers=headers) as answer:
            body = await answer.json()
            return answer.status, body.get("email")


async def walk(visitor: Visitor) -> None:
    """Sign up, verify, work, forget the password, set another; each step as it must come out."""
    app, auth, mail = visitor.app, visitor.auth, visitor.mail
    assert (202, {}) == await visitor.post(f"{app}/sign-up", email="Li.Si@example.org ")
    token = token_in(await mail.next())
    assert 401 == await visitor.log_in(PASSWORD), "nobody logs in by an address that is not verified"

    assert 400 == (await visitor.post(f"{app}/verify", token=token, password="hunter2"))[0], "by no bad password"
    status, visitor.tokens = await visitor.post(f"{app}/verify", token=token, password=PASSWORD)
    assert 200 == status
    assert (200, EMAIL) == await visitor.me()
    assert 400 == (await visitor.post(f"{app}/verify", token=token, password=ANOTHER))[0], "a link works once"
    old = visitor.tokens["refresh_token"]

    assert (202, {}) == await visitor.post(f"{app}/forgot", email=EMAIL)
    token = token_in(await mail.next())
    assert 400 == (await visitor.post(f"{app}/reset", token=token, password="hunter2"))[0], (
        "a bad password changes nothing"
    )
    assert (200, {}) == await visitor.post(f"{app}/reset", token=token, password=ANOTHER)
    assert "Your password was changed" == (await mail.next())["Subject"]
    assert 400 == (await visitor.post(f"{app}/reset", token=token, password=PASSWORD))[0], "a link works once"

    assert 400 == (await visitor.post(f"{auth}/refresh", refresh_token=old))[0], "sessions end with the old password"
    assert 401 == await visitor.log_in(PASSWORD)
    assert 200 == await visitor.log_in(ANOTHER)
    assert (200, EMAIL) == await visitor.me()
