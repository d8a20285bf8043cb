"""An extra that is missing is named in one line, with the way to get it."""

import pytest

from tests.packaging.environments import Installed


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["dualtoken", "status"], "cli"),
        (["python", "-m", "dualtoken.client", "status"], "cli"),
        (["dualtoken-auth", "serve"], "auth"),
        (["python", "-m", "dualtoken.auth_service", "keys", "init"], "auth"),
        (["dualtoken-resource", "serve"], "resource"),
        (["python", "-m", "dualtoken.resource_service", "serve"], "resource"),
    ],
)
def test_the_library_alone_has_no_commands(library: Installed, command: list[str], extra: str) -> None:
    """One line on standard error, exit code 2."""
    done = library.run(*command)

    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert f": needs an extra: pip install 'dualtoken[{extra}]'" in done.stderr


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["dualtoken", "demo"], "auth,resource"),
        (["dualtoken", "up"], "auth,resource"),
        (["dualtoken", "loadtest"], "loadtest"),
        (["dualtoken", "status", "--keyring"], "keyring"),
        (["dualtoken-auth", "--version"], "auth"),
        (["dualtoken-resource", "serve"], "resource"),
    ],
)
def test_the_command_line_alone_names_what_more_a_command_needs(
    command_line: Installed, command: list[str], extra: str
) -> None:
    """Likewise, though a part of what it needs is there."""
    done = command_line.run(*command)

    assert (2, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    assert f": needs an extra: pip install 'dualtoken[{extra}]'" in done.stderr


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "from dualtoken.resource_service import Bearer",
            "ImportError: Bearer needs an extra: pip install 'dualtoken[resource]'",
        ),
        (
            "from dualtoken.resource_service.asgi import BearerMiddleware",
            "ImportError: dualtoken.resource_service.asgi needs an extra: pip install 'dualtoken[resource]'",
        ),
        (
            "from dualtoken.client import KeyringStorage; KeyringStorage()",
            "StorageError: the key ring needs an extra: pip install 'dualtoken[keyring]'",
        ),
        (
            "from dualtoken.client.httpx import BearerAuth",
            "ImportError: dualtoken.client.httpx needs httpx 0.25 or newer: pip install httpx, or httpx2",
        ),
        (
            "from dualtoken.client.requests import BearerAuth",
            "ImportError: dualtoken.client.requests needs requests 2.28 or newer: pip install --upgrade requests",
        ),
    ],
)
def test_a_name_of_the_library_names_its_extra(library: Installed, statement: str, problem: str) -> None:
    """The last line of the traceback, which is the caller's."""
    done = library.run("python", "-c", statement)

    assert 1 == done.returncode
    assert problem in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(("framework", "least"), [("fastapi", "0.100"), ("starlette", "0.27"), ("litestar", "2.10")])
def test_an_adapter_names_its_framework(everything: Installed, framework: str, least: str) -> None:
    """Which no extra brings: the version is the application's own."""
    done = everything.run("python", "-c", f"import dualtoken.resource_service.{framework}")
    needs = f"needs {framework} {least} or newer: pip install --upgrade {framework}"

    assert 1 == done.returncode
    assert f"ImportError: dualtoken.resource_service.{framework} {needs}" in done.stderr.splitlines()[-1]


def test_the_library_loads_no_extra(command_line: Installed) -> None:
    """Whatever else is installed: each public name, and then the libraries that came with them."""
    script = (
        "import sys, dualtoken.client as c; [getattr(c, name) for name in c.__all__];"
        "print(sorted({'pydantic', 'rich', 'typer', 'keyring', 'structlog'} & sys.modules.keys()))"
    )

    assert "[]\n" == command_line.run("python", "-c", script).stdout
