"""What Ctrl-C and SIGTERM do to a command."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from dualtoken.client import LoginRequired
from dualtoken.client.commands.exit_codes import interruptible, sentence
from dualtoken.client.commands.invocation import COMMAND
from tests.deadline import HANGS_S
from tests.forked import REPOSITORY


@pytest.mark.parametrize("reason", ["no_session", "logged_out", "key_lost", "reused", "expired", "revoked", "other"])
def test_the_end_of_a_session_is_told_with_its_cure(reason: str) -> None:
    """Once."""
    told = sentence(LoginRequired(reason))

    assert (f": run `{COMMAND} login`", 1) == (told[told.rindex(":") :], told.count("run `"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_is_heard_by_the_event_loop(number: signal.Signals) -> None:
    """A command that waits is told, and can end in order."""
    heard = asyncio.Event()
    before = signal.signal(number, signal.SIG_DFL)  # a suite under nohup ignores SIGHUP, and the command would, too
    try:
        with interruptible(heard.set):
            os.kill(os.getpid(), number)
            await asyncio.wait_for(heard.wait(), HANGS_S)
    finally:
        signal.signal(number, before)

    assert heard.is_set()


async def test_afterwards_signals_do_what_they_did() -> None:
    """While a report is written SIGTERM still ends the process in order."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with interruptible(lambda: None):
        pass

    assert before == [signal.getsignal(number) for number in numbers]


async def test_nohup_is_respected() -> None:
    """Who wants a command to outlive its terminal gets that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(lambda: pytest.fail("heard")):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert before == signal.getsignal(signal.SIGHUP)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_question_ends_at_the_first_signal(number: signal.Signals, code: int) -> None:
    """Who is asked for a password can leave by one Ctrl-C, though the event loop waits for the answer, too."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "client", "login", "--auth", "http://127.0.0.1:9", "--user", "zs"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        told = b""
        while b"Password:" not in told:
            told += os.read(ours, 1024)
        process.send_signal(number)
    os.close(ours)

    assert code == process.returncode


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
@pytest.mark.parametrize("command", [["login", "--user", "zs"], ["get", "http://127.0.0.1:9/", "--data", "@-"]])
def test_standard_input_is_left_at_the_first_signal(command: list[str], number: signal.Signals, code: int) -> None:
    """As a question is: no reader waits for what nobody will write."""
    arguments = [*command, "--auth", "http://127.0.0.1:9"]
    program = f"""
import os, signal, sys
from dualtoken.client.commands.command_line import app

class Unanswered:
    buffer = property(lambda self: self)
    isatty = staticmethod(lambda: False)
    def readline(self):
        os.kill(os.getpid(), {int(number)})
        return sys.__stdin__.readline()
    read = readline

signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.stdin = Unanswered()
app({arguments})
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        pass  # ends the input of one that goes on reading

    assert code == process.returncode


def test_ctrl_c_before_a_command_runs_leaves_no_trace() -> None:
    """While it is imported, say: the process ends as by any signal."""
    program = f"""
import os, sys
from dualtoken.client.__main__ import main

class Finder:
    def find_spec(self, name, *_):
        if name == "dualtoken.client.commands.command_line":
            os.kill(os.getpid(), {int(signal.SIGINT)})

sys.meta_path.insert(0, Finder())
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert (-signal.SIGINT, b"") == (done.returncode, done.stderr)


def test_sigterm_counts_where_ctrl_c_is_ignored() -> None:
    """As in the background of a shell's script."""
    work = "async def work():\n    print('runs', flush=True)\n    await asyncio.sleep(600)\n"
    code = "import asyncio, signal\nfrom dualtoken.client.commands.exit_codes import run\n"
    code += f"signal.signal(signal.SIGINT, signal.SIG_IGN)\n{work}run(work())"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()

    assert 143 == process.returncode
