"""Questions at the terminal, and what is read from standard input."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer


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
    """Return the answer that is typed.

    Raises:
        KeyboardInterrupt: at the first Ctrl-C.
        typer.Abort: at the end of input.
    """
    with whole_process_waits():
        try:
            answer: str = typer.prompt(question, hide_input=hide_input, err=True)
        except typer.Abort as abort:
            if isinstance(abort.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
        return answer
