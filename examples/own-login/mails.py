"""Mails, by SMTP, sent behind the answers: how long an answer takes must not tell who has an account."""

import asyncio
import logging
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.message import EmailMessage

_WITHIN_S = 30
log = logging.getLogger(__name__)


class Mails:
    """Sends through one server, one after the other. What waits is lost with the process: a link is asked for again."""

    def __init__(self, host: str, port: str, *, sender: str) -> None:
        self._host, self._port, self._sender = host, int(port), sender
        self._waiting: asyncio.Queue[EmailMessage] = asyncio.Queue()

    def send(self, to: str, subject: str, text: str) -> None:
        """Send a mail soon."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._sender, to, subject
        mail.set_content(text, cte="8bit")  # nothing is wrapped: a link is one line
        self._waiting.put_nowait(mail)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send for as long as the block lasts, and what waits at its end."""
        worker = asyncio.create_task(self._work())
        try:
            yield
            with suppress(TimeoutError):
                await asyncio.wait_for(self._waiting.join(), _WITHIN_S)
        finally:
            worker.cancel()

    async def _work(self) -> None:
        while True:
            mail = await self._waiting.get()
            try:
                await asyncio.to_thread(self._send, mail)
            except (OSError, smtplib.SMTPException):
                log.exception("a mail was not sent")
            finally:
                self._waiting.task_done()

    def _send(self, mail: EmailMessage) -> None:
        with smtplib.SMTP(self._host, self._port, timeout=_WITHIN_S) as server:
            server.send_message(mail)
