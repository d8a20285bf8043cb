"""``examples/own-login`` at work: the application, the auth service and a mail server, each for real."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.documentation.blocks import block
from tests.documentation.shell import run
from tests.examples.own_login import (
    ANOTHER,
    AUDIENCE,
    BACKEND_SECRET,
    EMAIL,
    ISSUER,
    PASSWORD,
    WITHIN_S,
    PrintedMails,
    Visitor,
    mail_server,
    token_in,
    walk,
)
from tests.ports import held_ports
from tests.system.eventually import eventually
from tests.system.processes import REPOSITORY, deployment_in, succeed

EXAMPLE = REPOSITORY / "examples" / "own-login"


@pytest.fixture
async def visitor(tmp_path: Path) -> AsyncIterator[Visitor]:
    """Somebody who is new here."""
    deployment = deployment_in(tmp_path)
    keys = tmp_path / "keys"
    await succeed("auth_service", "keys", "init", "--dir", str(keys), settings=deployment.auth)
    secret = tmp_path / "backend-secret"
    secret.write_text(BACKEND_SECRET)
    secret.chmod(0o600)
    auth = deployment.auth_service(AUTH_BACKEND_SECRET_FILE=secret, AUTH_ISSUER=ISSUER, AUTH_AUDIENCE=AUDIENCE)
    with mail_server() as (mail, smtp):
        async with auth as service, aiohttp.ClientSession() as http:
            url = str(service.url.origin())
            env = {"AUTH_URL": url, "ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "SMTP": smtp, "PORT": "0"}
            files = {"BACKEND_SECRET_FILE": str(secret), "ACCESS_KEYS": str(keys / "access.jwks.json")}
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "app.py"),
                cwd=EXAMPLE,
                env={**os.environ, **env, **files},
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            try:
                line = (await process.stdout.readline()).decode()
                yield Visitor(http, line.split()[-1], url, mail)
            finally:
                process.terminate()
                await process.wait()


async def test_somebody_signs_up_works_and_forgets_the_password(visitor: Visitor) -> None:
    """From the first form to a new password, by the links of real mails."""
    await walk(visitor)


async def test_the_page_says_how_to_run_it(tmp_path: Path) -> None:
    """Its lines make keys and a secret, and start the service, a mail server that shows mails, and the application."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    auth, app, over = (tmp_path / name for name in ("auth", "app", "over"))
    os.mkfifo(over)
    ending = os.open(over, os.O_RDWR)
    with held_ports(3) as [auth_port, smtp_port, app_port]:
        replacing = {
            "pip install 'dualtoken[auth,resource]' aiosmtpd": "python -m pip --version",  # it is: in this environment
            "AUTH_URL=http://localhost:8001": f"AUTH_URL=http://127.0.0.1:{auth_port}",
            "127.0.0.1:8025": f"127.0.0.1:{smtp_port}",
            "dualtoken-auth serve &": "dualtoken-auth serve > auth &",
            f"127.0.0.1:{smtp_port} &": f"127.0.0.1:{smtp_port} > mail &",
            "python app.py": "python app.py > app &",
        }
        env = {"AUTH_PORT": auth_port, "PORT": app_port, "PYTHONUNBUFFERED": 1}
        lines = block("examples/own-login/README.md: Sign-up, verification and password reset of your own")
        ends = ["read -r _ < over", "kill $(jobs -p); wait"]
        typing = asyncio.create_task(asyncio.to_thread(run, lines, tmp_path, env=env, replacing=replacing, after=ends))
        try:
            printed = (auth, app)
            await eventually(lambda: all(e.exists() and e.read_text().endswith("\n") for e in printed), WITHIN_S)
            mail = PrintedMails(tmp_path / "mail", smtp_port)
            await mail.ready()
            async with aiohttp.ClientSession() as http:
                url = f"http://127.0.0.1:{auth_port}"
                await walk(Visitor(http, app.read_text().split()[-1], url, mail))
        finally:
            os.write(ending, b"\n")
            await typing
            os.close(ending)


async def test_no_answer_says_who_has_an_account(visitor: Visitor) -> None:
    """A second sign-up and a forgotten password of nobody look like any other; the owner alone hears of it."""
    app = visitor.app
    first = await visitor.post(f"{app}/sign-up", email=EMAIL)
    await visitor.post(f"{app}/verify", token=token_in(await visitor.mail.next()), password=PASSWORD)
    again = await visitor.post(f"{app}/sign-up", email=EMAIL)
    mail = await visitor.mail.next()
    nobody = await visitor.post(f"{app}/forgot", email="nobody@example.org")
    somebody = await visitor.post(f"{app}/forgot", email=EMAIL)

    assert (202, {}) == first == again == nobody == somebody
    assert ("Your account", EMAIL) == (mail["Subject"], mail["To"])
    assert EMAIL == (await visitor.mail.next())["To"]
    assert 200 == await visitor.log_in(PASSWORD)


async def test_whoever_lost_the_mail_signs_up_again(visitor: Visitor) -> None:
    """The last mail's link works, and none does once one was used. Who is verified stays so."""
    await visitor.post(f"{visitor.app}/sign-up", email=EMAIL)
    lost = token_in(await visitor.mail.next())
    await visitor.post(f"{visitor.app}/sign-up", email=EMAIL)
    token = token_in(await visitor.mail.next())

    assert 200 == (await visitor.post(f"{visitor.app}/verify", token=token, password=PASSWORD))[0]
    assert 400 == (await visitor.post(f"{visitor.app}/verify", token=lost, password=ANOTHER))[0]
    await visitor.post(f"{visitor.app}/sign-up", email=EMAIL)
    assert "Your account" == (await visitor.mail.next())["Subject"]
    assert [401, 200] == [await visitor.log_in(password) for password in (ANOTHER, PASSWORD)]


async def test_whoever_signs_somebody_up_knows_no_password(visitor: Visitor) -> None:
    """It is the one that the owner of the address types behind the link, and no other that came before."""
    await visitor.post(f"{visitor.app}/sign-up", email=EMAIL, password=ANOTHER)
    token = token_in(await visitor.mail.next())
    await visitor.post(f"{visitor.app}/verify", token=token, password=PASSWORD)

    assert [401, 200] == [await visitor.log_in(password) for password in (ANOTHER, PASSWORD)]


@pytest.mark.parametrize("path", ["verify", "reset"])
async def test_a_link_of_ones_own_making_opens_nothing(visitor: Visitor, path: str) -> None:
    """Nor does one that was sent for something else."""
    await visitor.post(f"{visitor.app}/sign-up", email=EMAIL)
    token = token_in(await visitor.mail.next())
    bad = [f"{token[:-4]}AAAA", "x", *([token] if path == "reset" else [])]
    refused = (400, {"error": "this link does not work any more"})

    assert [refused] * len(bad) == [
        await visitor.post(f"{visitor.app}/{path}", token=each, password=PASSWORD) for each in bad
    ]


async def test_opening_a_link_does_nothing(visitor: Visitor) -> None:
    """It shows a form: programs that look into mails for bad links use none of them up."""
    await visitor.post(f"{visitor.app}/sign-up", email=EMAIL)
    token = token_in(await visitor.mail.next())
    async with visitor.http.get(f"{visitor.app}/verify", params={"token": token}) as answer:
        text, policy = await answer.text(), answer.headers["Referrer-Policy"]

    assert (f'name="token" value="{token}"' in text, "no-referrer") == (True, policy)
    assert 200 == (await visitor.post(f"{visitor.app}/verify", token=token, password=PASSWORD))[0]


@pytest.mark.parametrize("body", [{}, {"email": ""}, {"email": "x" * 256}])
async def test_what_cannot_be_signed_up_is_told(visitor: Visitor, body: dict[str, str]) -> None:
    """A missing field, and an address that the auth service refuses."""
    status, answer = await visitor.post(f"{visitor.app}/sign-up", **body)

    assert (400, ["error"]) == (status, list(answer))


async def test_a_body_that_is_none_is_told(visitor: Visitor) -> None:
    """A broken one, too."""
    headers = {"Content-Type": "application/json"}
    async with visitor.http.post(f"{visitor.app}/sign-up", data=b'{"email":', headers=headers) as answer:
        told = await answer.json()

    assert (400, {"error": "neither JSON nor a form"}) == (answer.status, told)
