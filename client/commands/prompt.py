"""Questions at the terminal."""

import signal

import typer


def ask(question: str, *, hide_input: bool = False) -> str:
    """Return the answer that is typed, for which the whole process waits.

    Raises:
        KeyboardInterrupt: at the first Ctrl-C. An event loop would notice it only after the answer.
        typer.Abort: at the end of input.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        answer: str = typer.prompt(question, hide_input=hide_input, err=True)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    else:
        return answer
    finally:
        signal.signal(signal.SIGINT, before)
