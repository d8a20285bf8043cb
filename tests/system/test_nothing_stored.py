"""Who reads the database finds nothing that opens a session or an account."""

import base64
import secrets
from pathlib import Path

import aiohttp

from tests.system.calls import log_in, post, refresh
from tests.system.processes import PASSWORD, Deployment

_MAC_BYTES = 16


def spellings(token: str) -> set[bytes]:
    """Return what a token could be stored as: its text, the part that nobody can make up, and that decoded."""
    parts = [token, *token.removeprefix("dtr1_").split(".")[-1:]]
    raw = base64.urlsafe_b64decode(parts[-1] + "==")
    return {part.encode() for part in parts} | {raw, raw[-_MAC_BYTES:]}


def stored(database: Path) -> bytes:
    """Return every byte on the disk: the database, its write-ahead log and the index of that."""
    return b"".join(file.read_bytes() for file in sorted(database.parent.glob(f"{database.name}*")))


async def test_no_token_and_no_password_is_stored(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """After log-in, refreshes, a change of password, a replay and a log-out, no file holds a token or a password.

    Looked for in the write-ahead log while the service runs, and again when it has ended.
    """
    passwords = [PASSWORD, secrets.token_urlsafe(24), secrets.token_urlsafe(24)]
    _, new, wrong = passwords
    async with deployment.auth_service() as auth:
        answers = [await log_in(http, auth), await log_in(http, auth)]
        for number in range(3):
            headers = {"Idempotency-Key": f"key-{number}"}
            _, answer = await refresh(http, auth, answers[-1]["refresh_token"], **headers)
            answers.append(answer)
        refused, _ = await post(http, auth.url / "login", {"username": "zs", "password": wrong})
        bearer = {"Authorization": f"Bearer {answers[-1]['access_token']}"}
        change = {"current_password": PASSWORD, "new_password": new}
        async with http.post(auth.url / "password", json=change, headers=bearer) as response:
            changed = response.status
        replayed, _ = await refresh(http, auth, answers[1]["refresh_token"])
        answers.append((await post(http, auth.url / "login", {"username": "zs", "password": new}))[1])
        ended, _ = await post(http, auth.url / "logout", {"token": answers[-1]["refresh_token"]})
        running = stored(deployment.database)
    at_rest = stored(deployment.database)
    tokens = [answer[name] for answer in answers for name in ("access_token", "refresh_token")]
    secret = {password.encode() for password in passwords}.union(*map(spellings, tokens))

    assert (401, 204, 400, 200) == (refused, changed, replayed, ended)
    assert 12 == len(set(tokens))
    for content in (running, at_rest):
        assert b"zs@example.org" in content  # what is stored is found
        assert set() == {text for text in secret if text in content}
