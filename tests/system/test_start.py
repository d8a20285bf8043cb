"""How the auth service refuses to start, as its operator sees it: one line, exit 2, no trace."""

import socket

import pytest

from tests.system.processes import Deployment, run


async def refusal(deployment: Deployment, **settings: object) -> str:
    """Start the auth service with settings that it must refuse; return the one line that says why."""
    status, out, err = await run("auth_service", "serve", settings={**deployment.auth, **settings})
    assert (2, "", 1) == (status, out, err.count("\n")), err
    return err.removeprefix("auth_service: ").rstrip("\n")


async def test_a_missing_key_file_is_named(deployment: Deployment) -> None:
    """The line names the file and the command that writes one."""
    path = deployment.folder / "keys" / "none.json"

    assert f"{path}: no key file; `python -m auth_service keys init` writes one" == await refusal(
        deployment, AUTH_ACCESS_KEYS=path
    )


async def test_a_world_readable_key_file_is_named(deployment: Deployment) -> None:
    """The line names the file and what to do."""
    path = deployment.folder / "keys" / "refresh.jwks.json"
    path.chmod(0o644)

    assert f"{path}: the key file is open to other users; chmod 600 it" == await refusal(deployment)


async def test_a_port_in_use_is_named(deployment: Deployment) -> None:
    """The line names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert f"cannot listen on 127.0.0.1:{port}: " in await refusal(deployment, AUTH_PORT=port)


async def test_a_database_path_that_cannot_be_written_is_named(deployment: Deployment) -> None:
    """The line names the setting and the path."""
    path = deployment.folder / "keys" / "access.jwks.json" / "auth.db"

    assert f"AUTH_DATABASE_URL: cannot open {path}: " in await refusal(
        deployment, AUTH_DATABASE_URL=f"sqlite:///{path}"
    )


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_file_that_is_no_database_is_named(deployment: Deployment, workers: int) -> None:
    """The line says that the database does not answer, whatever the number of workers."""
    deployment.database.write_bytes(b"something else entirely, and long enough to be read" * 100)

    assert "the database does not answer" in await refusal(deployment, AUTH_WORKERS=workers)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_certificate_that_cannot_be_used_is_named(deployment: Deployment, workers: int) -> None:
    """The line names both settings, before anything listens, whatever the number of workers."""
    files = dict.fromkeys(("AUTH_TLS_CERT", "AUTH_TLS_KEY"), deployment.folder / "keys" / "access.jwks.json")

    assert "AUTH_TLS_CERT, AUTH_TLS_KEY: " in await refusal(deployment, AUTH_WORKERS=workers, **files)


async def test_every_bad_setting_is_named_at_once(deployment: Deployment) -> None:
    """One line for each."""
    status, _, err = await run(
        "auth_service", "serve", settings={**deployment.auth, "AUTH_PORT": "http", "AUTH_GRACE_S": "-1"}
    )

    assert 2 == status
    assert ["auth_service: AUTH_PORT", "auth_service: AUTH_GRACE_S"] == [
        line.rpartition(": ")[0] for line in err.splitlines()
    ]
