"""Questions at the terminal, and what is read from standard input."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ..errors import ConfigurationError


@contextmanager
def whole_process_waits() -> Iterator[None]:
    """Let the first Ctrl-C end a read that blocks. An event loop would notice it only after the read.

    Raises:
        KeyboardInterrupt: at Ctrl-C, and what else asks for the end.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def ask(question: str, *, hide_input: bool = False) -> str:
    """Return the answer that is typed; where standard input is no terminal, its next line.

    Raises:
        ConfigurationError: it is empty, or no text.
        KeyboardInterrupt: at the first Ctrl-C.
        typer.Abort: at the end of what is typed.
    """
    with whole_process_waits():
        try:
            answer = _typed(question, hide_input=hide_input) if sys.stdin.isatty() else sys.stdin.readline()
        except UnicodeError:
            answer = ""
    return text(answer.rstrip("\r\n"), question.lower())


def _typed(question: str, *, hide_input: bool) -> str:
    try:
        answer: str = typer.prompt(question, hide_input=hide_input, err=True)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    return answer


def text(given: str, what: str) -> str:
    """Return what was meant: in the C locale, bytes beyond ASCII are surrogates; PowerShell begins with a mark.

    Raises:
        ConfigurationError: it is empty, or no text.
    """
    try:
        meant = given.encode(errors="surrogateescape").decode("utf-8-sig")
    except UnicodeError:
        meant = ""
    if not meant:
        raise ConfigurationError(f"no {what}, or not valid text: give it at the prompt, or as a line of standard input")
    return meant
