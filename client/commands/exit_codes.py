"""Exit codes of the command line, and one line for every failure."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn

from ..errors import (
    AuthRejected,
    AuthUnavailable,
    ClientError,
    ConfigurationError,
    InvalidCredentials,
    LoginRequired,
    StorageError,
)
from .invocation import COMMAND
from .report import printable


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    FAILED = 1  # a failure without a code of its own; a claim of the demonstration that did not hold
    USAGE = 2  # an option or address that cannot work
    LOGIN_REQUIRED = 3  # no session, or it has ended; or the user name or password is wrong
    UNAVAILABLE = 4  # a service cannot be reached, or refuses for now
    REJECTED = 5  # the auth service's answer makes no sense
    STORAGE = 6  # tokens cannot be read or stored
    HTTP_ERROR = 7  # `get`: the answer's status is 400 or above; its body is printed anyway
    INTERRUPTED = 130  # Ctrl-C
    TERMINATED = 143  # SIGTERM


_CODES: tuple[tuple[type[ClientError], Exit], ...] = (
    (ConfigurationError, Exit.USAGE),
    (InvalidCredentials, Exit.LOGIN_REQUIRED),
    (LoginRequired, Exit.LOGIN_REQUIRED),
    (AuthUnavailable, Exit.UNAVAILABLE),
    (AuthRejected, Exit.REJECTED),
    (StorageError, Exit.STORAGE),
    (ClientError, Exit.FAILED),
)

_ENDED = {
    "no_session": "no session",
    "logged_out": "logged out",
    "key_lost": "the session is bound to a key that is not here any more",
    "reused": "the session was ended, because a copy of its refresh token was used",
    "expired": "the session has expired",
    "revoked": "the session was ended by the auth service",
}


def run(work: Coroutine[Any, Any, Exit]) -> NoReturn:
    """Run a command to its exit code, with one line on standard error if it fails."""
    is_told = False

    def end(*_: object) -> None:
        # As Ctrl-C does: what was started is stopped, and temporary folders go.
        nonlocal is_told
        is_told = True
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # ignored, as in a shell's background
            sys.exit(Exit.TERMINATED)
        interrupt(signal.SIGINT, None)

    runner = asyncio.Runner()
    runner.get_loop()  # half a loop could not even be closed
    try:
        with _ctrl_c_interrupts(), runner:
            for name in _endings():
                signal.signal(name, end)
            code = runner.run(work)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = Exit.TERMINATED if is_told else Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.OK
    except Exception as error:
        if (known := code_of(error)) is None:
            raise
        code = known
        sys.stderr.write(f"dualtoken: {printable(sentence(error))}\n")
    sys.exit(code)


@contextmanager
def _ctrl_c_interrupts() -> Iterator[None]:
    """Have Ctrl-C interrupt what runs, where before and after it ends the process at once."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def code_of(error: Exception) -> Exit | None:
    """Return the exit code for what a command may fail with; None: it is a fault of the command itself."""
    if isinstance(error, ClientError):
        return next(code for kind, code in _CODES if isinstance(error, kind))
    if _leads_astray(error):
        return Exit.FAILED
    if _is_no_address(error):
        return Exit.USAGE
    if _is_http_error(error, "ClientError") or isinstance(error, TimeoutError):
        return Exit.UNAVAILABLE
    return Exit.FAILED if isinstance(error, OSError) else None


def _is_http_error(error: BaseException, *kinds: str) -> bool:
    """Tell whether *error* is one of these of the HTTP library, which is not loaded for that."""
    http = sys.modules.get("aiohttp")
    return http is not None and isinstance(error, tuple(getattr(http, kind) for kind in kinds))


def _leads_astray(error: BaseException) -> bool:
    """Tell whether a service has redirected to where no request can follow."""
    return _is_http_error(error, "TooManyRedirects", "RedirectClientError")


def _is_no_address(error: BaseException) -> bool:
    return _is_http_error(error, "InvalidURL", "NonHttpUrlClientError")


def _untrusted(error: BaseException | None) -> str | None:
    """Return the host whose certificate stood in the way; None: something else did."""
    if error is None or not _is_http_error(error, "ClientConnectorCertificateError"):
        return None
    return str(error.host)  # type: ignore[attr-defined]  # of that class, which is not loaded for its name


def _endings() -> list[signal.Signals]:
    """Return what else than Ctrl-C asks for the end: SIGTERM, and a terminal that goes unless ``nohup`` forbids it.

    Services that were started have sessions of their own, and hear nothing of the terminal.
    """
    hang_up = getattr(signal, "SIGHUP", None)  # not on Windows
    heard = hang_up is not None and signal.getsignal(hang_up) is not signal.SIG_IGN
    return [signal.SIGTERM, hang_up] if hang_up is not None and heard else [signal.SIGTERM]


@contextmanager
def interruptible(act: Callable[[], object]) -> Iterator[None]:
    """Have Ctrl-C, and what else asks for the end, call *act* in the running event loop; afterwards all is as before.

    Not by the loop's ``add_signal_handler``: Windows has none, and where it goes, SIGTERM kills without a word.
    """
    loop = asyncio.get_running_loop()

    def hear(*_: object) -> None:
        loop.call_soon_threadsafe(act)

    before = {name: signal.signal(name, hear) for name in (signal.SIGINT, *_endings())}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def sentence(error: BaseException) -> str:
    """Say in one line what went wrong and what to do."""
    if isinstance(error, LoginRequired):
        return f"{_ENDED.get(error.reason, f'the session has ended ({error.reason})')}: run `{COMMAND} login`"
    if _leads_astray(error):
        return "the service redirects in a circle, or to what is no address"
    if _is_no_address(error):
        return "not an address: write it like https://api.example/home"
    if (host := _untrusted(error) or _untrusted(error.__cause__)) is not None:
        return f"{host} shows a certificate that nobody trusted here has signed: name its authority with --cacert FILE"
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    if isinstance(error, AuthUnavailable) and error.retry_after is not None:
        return f"{error}: try again in {error.retry_after:.0f} s"
    return " ".join(str(error).split()) or type(error).__name__
