"""What is installed, at work."""

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from dualtoken.client.playground.page_server import DEMONSTRATION
from tests.documentation.blocks import block
from tests.packaging.conftest import PASSWORD, USER, Built, Services
from tests.packaging.environments import Installed

ISSUER, AUDIENCE = "http://localhost:8001", "http://localhost:8002"  # the defaults

CLIENT = """
import asyncio, sys
import aiohttp
from dualtoken.client import TokenSource, BearerAuth, FileStorage

async def main(auth_url, api_url, password):
    tokens = TokenSource(auth_url, storage=FileStorage("tokens.json"))
    async with tokens, aiohttp.ClientSession(middlewares=[BearerAuth(tokens, origins=[api_url])]) as http:
        await tokens.login("zs", password)
        await tokens.token(rejected=await tokens.token())
        async with http.get(f"{api_url}/home") as response:
            print((await response.json())["data"]["username"], tokens.stats.refreshes)

asyncio.run(main(*sys.argv[1:]))
"""

GUARDED = """
import asyncio, sys
import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from dualtoken.resource_service import Bearer, CLAIMS

async def mine(request):
    return web.json_response({"user": request[CLAIMS].username})

async def main(keys, token):
    app = web.Application()
    Bearer(keys=keys, issuer="http://localhost:8001", audience="http://localhost:8002").mount(app)
    app.router.add_get("/mine", mine)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        for headers in ({}, {"Authorization": f"Bearer {token}"}):
            async with http.get(server.make_url("/mine"), headers=headers) as response:
                print(response.status, (await response.json()).get("user"))

asyncio.run(main(*sys.argv[1:]))
"""

SERVED = """
import socket
import uvicorn

listener = socket.create_server(("127.0.0.1", 0))
print(f"app listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config("app:app", log_level="error")).run(sockets=[listener])
"""

CONSUMER = """
from dualtoken.client import FileStorage, TokenSource, Tokens
from dualtoken.resource_service import CLAIMS, Bearer, requires
from dualtoken_serving import tracing

source: TokenSource = TokenSource("https://auth.example", storage=FileStorage())
reveal_type(source.token)
reveal_type(CLAIMS)

async def log_in() -> Tokens:
    return await source.login("zs", 7)
"""


def test_the_five_lines_of_the_client(library: Installed, services: Services, tmp_path: Path) -> None:
    """With the library alone: log in, renew, call."""
    done = library.run("python", "-c", CLIENT, services.auth_url, services.api_url, PASSWORD, cwd=tmp_path)

    assert (0, f"{USER} 1\n", "") == (done.returncode, done.stdout, done.stderr)


def test_a_project_may_have_a_folder_of_any_name(library: Installed, services: Services, tmp_path: Path) -> None:
    """``client/``, ``auth_service/``, ``resource_service/``: theirs stay theirs, and ours is found."""
    for name in ("client", "auth_service", "resource_service"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"mine = {name!r}\n")
    script = tmp_path / "app.py"
    script.write_text(f"import client; assert client.mine == 'client'\n{CLIENT}")
    done = library.run("python", str(script), services.auth_url, services.api_url, PASSWORD, cwd=tmp_path)

    assert (0, f"{USER} 1\n", "") == (done.returncode, done.stdout, done.stderr)


def test_bearer_guards_an_application_of_ones_own(everything: Installed, services: Services, tmp_path: Path) -> None:
    """Three lines; the token comes from the command line."""
    token = _log_in(everything, services, tmp_path)
    keys = services.folder / "var/keys/access.jwks.json"
    done = everything.run("python", "-c", GUARDED, str(keys), token)

    assert (0, f"401 None\n200 {USER}\n", "") == (done.returncode, done.stdout, done.stderr)


def test_the_readmes_fastapi_application_runs(
    beside_fastapi: Installed, command_line: Installed, services: Services, tmp_path: Path
) -> None:
    """As it stands there but for addresses, in a clean environment with FastAPI and uvicorn; a client calls it."""
    text = block("README.md: FastAPI, Starlette, Litestar, any ASGI application").text
    for theirs, ours in {"https://auth.example": ISSUER, "https://api.example": AUDIENCE}.items():
        text = text.replace(theirs, ours)
    (tmp_path / "app.py").write_text(text)
    shutil.copy(services.folder / "var/keys/access.jwks.json", tmp_path)
    _log_in(command_line, services, tmp_path)
    with beside_fastapi.serving("python", "-c", SERVED, cwd=tmp_path) as url:
        file = {"DUALTOKEN_TOKEN_FILE": str(tmp_path / "tokens.json")}
        known = command_line.run("dualtoken", "get", f"{url}/home", **file)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{url}/home")  # noqa: S310 - it is http

    assert {"sub"} == json.loads(known.stdout).keys()


def test_the_command_line_needs_its_extra_alone(command_line: Installed, services: Services, tmp_path: Path) -> None:
    """Log in, call, print the token, log out."""
    token = _log_in(command_line, services, tmp_path)
    file = {"DUALTOKEN_TOKEN_FILE": str(tmp_path / "tokens.json")}
    got = command_line.run("dualtoken", "get", f"{services.api_url}/home", **file)
    out = command_line.run("dualtoken", "logout", **file)

    assert 2 == token.count(".")
    assert USER == json.loads(got.stdout)["data"]["username"]
    assert (0, "logged out\n") == (out.returncode, out.stderr)


def test_migrations_are_found(everything: Installed, tmp_path: Path) -> None:
    """An empty database comes up to date, and stays so."""
    first, second = (everything.run("dualtoken-auth", "migrate", cwd=tmp_path) for _ in range(2))

    assert re.fullmatch(r"schema empty -> \d{4}\n", first.stdout), first.stderr
    assert re.fullmatch(r"schema \d{4}: already there\n", second.stdout), second.stderr


def test_the_page_is_served_whole(command_line: Installed, built: Built) -> None:
    """Each of its files, as it stands in the tree."""
    with command_line.serving("dualtoken", "web", "--port", "0") as url:
        for name in ("index.html", *DEMONSTRATION.names):
            with urllib.request.urlopen(f"{url}/{name.removesuffix('index.html')}") as answer:  # noqa: S310 - it is http
                assert (built.tree / "client/web" / name).read_bytes() == answer.read(), name


def test_the_load_test_brings_its_services_and_its_report(everything: Installed, tmp_path: Path) -> None:
    """Children start under the name that is installed, from a folder that has modules of the same names."""
    for name in ("auth_service", "client", "dualtoken", "resource_service"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    (tmp_path / "logging.py").write_text("raise SystemExit('the wrong one')\n")
    done = everything.run(
        "dualtoken", "loadtest", "--self-contained", "--requests", "20", "--users", "2", "--processes", "1",
        "--html", "report.html", cwd=tmp_path,
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    assert "Passed: 20 requests, 0 failures" in done.stderr
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_strict_consumer_is_checked_against_our_types(everything: Installed, tmp_path: Path) -> None:
    """``py.typed`` is there, public names have types, and a wrong argument or name is an error."""
    (tmp_path / "consumer.py").write_text(CONSUMER)
    (tmp_path / "misspelt.py").write_text("from dualtoken.client import TokenSauce\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", "/dev/null"),
            *("--python-executable", str(everything.python), "consumer.py", "misspelt.py"),
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert 'type is "def (*, rejected: str | None =) -> typing.Coroutine[Any, Any, str]"' in done.stdout
    assert 'RequestKey[dualtoken.resource_service.verification.claims.Claims]"' in done.stdout
    assert '"login" of "TokenSource" has incompatible type "int"; expected "str"' in done.stdout
    assert 'has no attribute "TokenSauce"' in done.stdout
    assert "Found 2 errors in 2 files" in done.stdout


@pytest.mark.parametrize("command", ["dualtoken", "dualtoken-auth", "dualtoken-resource"])
def test_each_command_says_its_version(everything: Installed, built: Built, command: str) -> None:
    """The version that was built."""
    version = built.wheel.name.split("-")[1]

    assert f"{command} {version}\n" == everything.run(command, "--version").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["dualtoken-auth", "serve"],
            "dualtoken-auth: var/keys/access.jwks.json: no key file; `dualtoken-auth keys init` writes one",
        ),
        (["dualtoken-auth", "keys"], "Usage: dualtoken-auth keys"),
        (["dualtoken-resource", "serve"], "dualtoken-resource: RESOURCE_KEYS, RESOURCE_JWKS_URL: exactly one"),
        (["dualtoken-resource"], "Usage: dualtoken-resource"),
        (["dualtoken", "get", "https://api.example/"], "dualtoken: no session: run `dualtoken login`"),
        (["dualtoken", "get"], "Usage: dualtoken get"),
        (
            ["python", "-m", "dualtoken.auth_service", "serve"],
            "auth_service: var/keys/access.jwks.json: no key file; `python -m dualtoken.auth_service keys init`",
        ),
        (
            ["python", "-I", "-m", "dualtoken.client", "token"],
            "dualtoken: no session: run `python -m dualtoken.client login`",
        ),
    ],
)
def test_a_message_names_the_command_that_was_typed(everything: Installed, arguments: list[str], words: str) -> None:
    """What people are told to run is there."""
    done = everything.run(*arguments)

    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_shell_completes_commands_and_options(command_line: Installed) -> None:
    """As the script that --install-completion puts into a shell's start-up file asks for them."""

    def completed(words: str) -> list[str]:
        count = str(len(words.split()) - 1)
        asked = {"_DUALTOKEN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": count}
        return command_line.run("dualtoken", **asked).stdout.split()

    assert ["status"] == completed("dualtoken sta")
    assert ["--cacert"] == completed("dualtoken get --cac")


def _log_in(installed: Installed, services: Services, folder: Path) -> str:
    file = {"DUALTOKEN_TOKEN_FILE": str(folder / "tokens.json")}
    login = ["dualtoken", "login", "--auth", services.auth_url, "--user", USER]
    done = installed.run(*login, line=f"{PASSWORD}\n", **file)
    assert (0, f"logged in as {USER}\n") == (done.returncode, done.stderr)
    return installed.run("dualtoken", "token", **file).stdout.strip()
