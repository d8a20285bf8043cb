"""``users import | export``: many accounts as lines of JSON. Safe while the service runs."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..domain.clock import wall_clock
from ..errors import StartupError
from ..settings import load_settings
from ..store import Store
from ..tokens.access import require_room
from ..use_cases.user_import import Imported, Refusal, UserImport
from ..use_cases.user_lines import account_of, line_of, lines_of
from .log import operator_log
from .output import AsJson, show, table
from .store import with_store

EXIT_REFUSED = 1
_SHOWN = 20  # refusals, where no file takes them
_PAGE = 1000
_STANDARD = Path("-")
_OURS_ALONE = 0o600


def import_users(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="NDJSON, one user on each line; - is standard input.")],
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write each refused line's number and reason, as NDJSON.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import users with their password hashes. Repeat the command after an interruption: it resumes.

    The members are sub and those of PUT /users/{sub}. Users who are there already are left as they are. Exit status 1
    says that lines were refused; all others are in.
    """
    first: list[Refusal] = []
    with ExitStack() as stack:
        lines = stack.enter_context(file.open("rb")) if file != _STANDARD else sys.stdin.buffer
        if report is not None and report.exists() and os.path.samestat(os.fstat(lines.fileno()), report.stat()):
            raise StartupError(f"{report}: holds the users, name another file for the report")
        told = stack.enter_context(_writing(report, os.O_TRUNC)) if report else None

        def refuse(refusal: Refusal) -> None:
            if told is not None:
                told.write(json.dumps({"line": refusal[0], "reason": refusal[1]}).encode() + b"\n")
            elif len(first) < _SHOWN:
                first.append(refusal)

        done = with_store(partial(_import, lines=lines, refuse=refuse), makes_it=True)
    operator_log().info("users.imported", added=done.added, present=done.present, refused=done.refused)
    if first and not as_json:
        show(None, table(["line", "reason"], [(str(number), reason) for number, reason in first]), as_json=False)
    show(vars(done), _summary(done, report, len(first)), as_json=as_json)
    if done.refused:
        raise typer.Exit(EXIT_REFUSED)


async def _import(store: Store, *, lines: BinaryIO, refuse: Callable[[Refusal], None]) -> Imported:
    settings = load_settings()
    room = partial(require_room, issuer=settings.issuer, audience=settings.audiences)
    now = wall_clock()
    users = UserImport(store, lambda line: account_of(line, now, room), refuse)
    total = _size(lines)
    with _progress() as bar:
        task = bar.add_task("", total=total)

        def tell() -> None:
            done = users.done
            told = f"{done.added} added, {done.present} there already, {done.refused} refused"
            bar.update(task, description=told, completed=lines.tell() if total is not None else None)

        return await users.run(lines_of(lines), now=now, on_batch=tell)


def _summary(done: Imported, report: Path | None, shown: int) -> str:
    told = f"{done.added} users added, {done.present} there already, {done.refused} lines refused"
    if report is not None and done.refused:
        return f"{told}: see {report}"
    return f"{told}: --report FILE names all of them" if report is None and done.refused > shown else told


def export_users(
    file: Annotated[
        Path, typer.Argument(metavar="[FILE]", help="A new file, readable by you alone; - is standard output.")
    ] = _STANDARD,
    with_hashes: Annotated[
        bool, typer.Option("--with-hashes", help="Include password hashes, which allow guessing passwords.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write all users as NDJSON, one on each line, in the format of import."""
    with ExitStack() as stack:
        out = stack.enter_context(_new_file(file)) if file != _STANDARD else sys.stdout.buffer
        count = with_store(partial(_export, out=out, with_hashes=with_hashes))
        out.flush()
    operator_log().info("users.exported", count=count, hashes=with_hashes)
    if file != _STANDARD:  # else the lines themselves are the answer
        show({"exported": count, "file": str(file)}, f"{count} users written to {file}", as_json=as_json)


async def _export(store: Store, *, out: BinaryIO, with_hashes: bool) -> int:
    after, count = "", 0
    with _progress() as bar:
        task = bar.add_task("", total=None)
        while page := await store.list_accounts(after=after, limit=_PAGE):
            out.writelines(line_of(account, with_hash=with_hashes) for account in page)
            after, count = page[-1].user.id, count + len(page)
            bar.update(task, description=f"{count} users")
    return count


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that must not exist yet; one that was not finished is removed: it would be taken for all users."""
    is_ours = False
    try:
        with _writing(path, os.O_EXCL) as file:
            is_ours = True
            yield file
    except BaseException:
        if is_ours:
            path.unlink(missing_ok=True)
        raise


@contextmanager
def _writing(path: Path, how: int) -> Iterator[BinaryIO]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how, _OURS_ALONE)
    except FileExistsError:
        raise StartupError(f"{path}: exists, name another file") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except OSError as exc:  # of a write, which knows no name
        raise StartupError(f"{exc.filename or path}: {exc.strerror}") from None


def _size(file: BinaryIO) -> int | None:
    status = os.fstat(file.fileno())
    return status.st_size if S_ISREG(status.st_mode) else None


def _progress() -> Progress:
    """Return a progress bar on standard error, if that is a terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
