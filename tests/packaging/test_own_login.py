"""``examples/own-login`` in a clean environment, on the wheel alone."""

from pathlib import Path

import aiohttp

from tests.examples.own_login import AUDIENCE, BACKEND_SECRET, ISSUER, Visitor, mail_server, walk
from tests.packaging.conftest import Built
from tests.packaging.environments import Installed


async def test_the_example_runs_on_what_is_installed(everything: Installed, built: Built, tmp_path: Path) -> None:
    """Its files as the source distribution holds them; both extras that it names, and nothing of the checkout."""
    keys = everything.run("dualtoken-auth", "keys", "init", cwd=tmp_path)
    assert 0 == keys.returncode, keys.stderr
    secret = tmp_path / "backend-secret"
    secret.write_text(BACKEND_SECRET)
    secret.chmod(0o600)
    of_auth = {
        "AUTH_BACKEND_SECRET_FILE": str(secret),
        "AUTH_ISSUER": ISSUER,
        "AUTH_AUDIENCE": AUDIENCE,
        "AUTH_PORT": "0",
    }
    with mail_server() as (mail, smtp), everything.serving("dualtoken-auth", "serve", cwd=tmp_path, **of_auth) as auth:
        env = {"AUTH_URL": auth, "ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "SMTP": smtp, "PORT": "0"}
        files = {
            "BACKEND_SECRET_FILE": str(secret),
            "ACCESS_KEYS": str(tmp_path / "var" / "keys" / "access.jwks.json"),
        }
        example = built.tree / "examples" / "own-login"
        with everything.serving("python", "app.py", cwd=example, **env, **files) as app:
            async with aiohttp.ClientSession() as http:
                await walk(Visitor(http, app, auth, mail))
