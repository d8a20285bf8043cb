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
        ConfigurationError: that line is empty, or no text.
        KeyboardInterrupt: at the first Ctrl-C.
        typer.Abort: at the end of what is typed.
    """
    if not sys.stdin.isatty():
        return _line(question.lower())
    with whole_process_waits():
        try:
            answer: str = typer.prompt(question, hide_input=hide_input, err=True)
        except typer.Abort as abort:
            if isinstance(abort.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
        return answer


def _line(what: str) -> str:
    try:
        with whole_process_waits():
            line = sys.stdin.readline()
        # In the C locale, bytes beyond ASCII are read as surrogates; PowerShell's pipes begin with a mark.
        text = line.encode(errors="surrogateescape").decode("utf-8-sig").rstrip("\r\n")
    except UnicodeError:
        text = ""
    if not text:
        raise ConfigurationError(f"no {what}, or not valid text: give it at the prompt, or as a line of standard input")
    return text
