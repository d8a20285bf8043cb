"""How the service refuses to start: one line that names the cause, exit 2, no trace."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dualtoken.auth_service import __version__
from dualtoken.auth_service.cli.service import serving_of
from dualtoken.auth_service.domain import jwk
from dualtoken.auth_service.keys import jwk_file
from dualtoken.auth_service.settings import PREFIX, load_settings
from dualtoken_serving.errors import StartProblem
from dualtoken_serving.process import bind
from tests.auth_service.command_line import Run, problem
from tests.auth_service.test_settings import BAD


@pytest.mark.parametrize(("name", "value"), [(name, values[0]) for name, values in BAD.items()])
def test_a_bad_setting_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Each setting with a value that cannot be: one line that names it, exit 2."""
    monkeypatch.setenv(name, value)

    assert name in problem(run("serve"))


def test_migrate_says_what_it_did(run: Run) -> None:
    """The first migration names both ends, the second says that there was nothing to do."""
    first, second = run("migrate"), run("migrate")

    assert (0, 0) == (first.status, second.status)
    assert "empty" in first.out
    assert "already there" in second.out


def test_a_database_path_that_cannot_be_written_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A database below a file: one line with the setting and the path."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("AUTH_DATABASE_URL", f"sqlite:///{tmp_path}/file/auth.db")

    assert f"AUTH_DATABASE_URL: cannot open {tmp_path}/file/auth.db" in problem(run("migrate"))


@pytest.mark.parametrize("arguments", [["nonsense"], ["users", "add"], ["serve", "--nonsense"], ["keys", "nonsense"]])
def test_a_wrong_command_is_exit_2(run: Run, arguments: list[str]) -> None:
    """A command that does not exist or lacks an argument is exit 2 with the usage, no trace."""
    finished = run(*arguments)

    assert 2 == finished.status
    assert "Usage" in finished.err
    assert "Traceback" not in finished.err


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_port_in_use_is_named(host: str) -> None:
    """The address that is taken stands in the line."""
    with bind(host, 0, PREFIX) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartProblem, match=f"{host}:{port}.*: set AUTH_HOST or AUTH_PORT"):
            bind(host, port, PREFIX)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "x" * 300, "..", "host.invalid", "\x00"])
def test_an_address_that_is_not_this_machines_is_named(host: str) -> None:
    """Whatever stands in AUTH_HOST, what cannot be listened on is one line."""
    with pytest.raises(StartProblem, match="cannot listen on") as caught:
        bind(host, 0, PREFIX)
    assert "\n" not in str(caught.value)


def test_a_free_port_is_chosen_by_the_system() -> None:
    """With AUTH_PORT=0 the system chooses."""
    with bind("127.0.0.1", 0, PREFIX) as listener:
        assert isinstance(listener, socket.socket)
        assert listener.getsockname()[1] > 0


def test_every_address_is_of_either_version() -> None:
    """A cluster with both has probes of one, and callers of the other."""
    with bind("::", 0, PREFIX) as listener:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, listener.getsockname()[1])) as connection:
                assert host in connection.getpeername()


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """A missing or malformed certificate is one line that names both settings."""
    for content in (None, "nonsense"):
        if content:
            (tmp_path / "cert.pem").write_text(content)
        settings = load_settings(tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "cert.pem")

        with pytest.raises(StartProblem, match="AUTH_TLS_CERT, AUTH_TLS_KEY"):
            serving_of(settings).tls_context()


def test_one_secret_in_both_key_files_is_refused(run: Run, tmp_path: Path) -> None:
    """Whoever verifies access tokens must not be able to make refresh tokens: serve names both files, exit 2."""
    access, refresh = tmp_path / "access.jwks.json", tmp_path / "refresh.jwks.json"
    jwk_file.create(access)
    shared = {**jwk_file.read_key_file(access)[0], "kid": "another"}
    jwk_file.write_key_file(refresh, [jwk.new_jwk("HS256"), shared])

    assert f"{access} and {refresh} hold the same secret" == problem(run("serve"))


def test_a_start_on_sqlite_loads_nothing_that_it_does_not_need() -> None:
    """What only other databases, Redis and migrations need would make up a third of the time of a start."""
    heavy = {"alembic", "asyncpg", "redis", "sqlalchemy.ext.asyncio"}
    code = f"import sys, auth_service.cli; print(sorted({heavy} & set(sys.modules)))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]" == finished.stdout.strip()


def test_the_version_is_said(run: Run) -> None:
    """By the operator's command line, as by the two others (tests/client/commands, tests/resource_service)."""
    finished = run("--version")

    assert (0, f"dualtoken-auth {__version__}\n") == (finished.status, finished.out)
