"""The guides of docs/any-login.md: each block at work, beside a real PostgreSQL and a running auth service."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from argon2 import PasswordHasher

from tests.auth_service.foreign_hashes import BCRYPT, DJANGO, FOREIGN_PASSWORD
from tests.documentation.blocks import block
from tests.documentation.shell import run
from tests.postgresql import Cluster, binaries
from tests.resource_service.asgi.applications import served
from tests.resource_service.services import bearer, serving
from tests.system.processes import Deployment, deployment_in, succeed

SECRET = "a backend secret of 32 characters, or more"
OLD_KEY = "the SECRET_KEY of a Django application, long enough"
PASSWORD = "correct horse battery staple"
MEMBERS = """
    CREATE TABLE members (id serial PRIMARY KEY, email text UNIQUE NOT NULL, password_hash text NOT NULL,
                          tenant text NOT NULL, active boolean NOT NULL)"""
AUTH_USER = """
    CREATE TABLE auth_user (id serial PRIMARY KEY, password varchar(128) NOT NULL, last_login timestamptz,
                            is_superuser boolean NOT NULL, username varchar(150) NOT NULL UNIQUE,
                            first_name varchar(150) NOT NULL, last_name varchar(150) NOT NULL,
                            email varchar(254) NOT NULL, is_staff boolean NOT NULL, is_active boolean NOT NULL,
                            date_joined timestamptz NOT NULL)"""
FASTAPI_USER = """
    CREATE TABLE "user" (id uuid PRIMARY KEY, email varchar(320) NOT NULL UNIQUE,
                         hashed_password varchar(1024) NOT NULL, is_active boolean NOT NULL,
                         is_superuser boolean NOT NULL, is_verified boolean NOT NULL)"""
UUIDS = [f"0194f5e2-7f3a-7cc0-8000-00000000000{number}" for number in range(2)]


def database(cluster: Cluster, name: str, table: str, into: str, rows: Iterable[str]) -> str:
    """Make a database with one table and rows *into* its columns; return its URL."""
    cluster.execute(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    cluster.execute(table, f"INSERT INTO {into} VALUES {', '.join(rows)}", database=name)  # noqa: S608 - rows of ours
    return cluster.url(name)


@pytest.fixture
async def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """An auth service to be, whose keys stand where the blocks look for them; and ``psql`` on the path."""
    deployment = deployment_in(tmp_path)
    await succeed("auth_service", "keys", "init", "--dir", str(tmp_path / "keys"), settings=deployment.auth)
    (tmp_path / "access.jwks.json").symlink_to(tmp_path / "keys" / "access.jwks.json")
    (tmp_path / "backend-secret").write_text(f"{SECRET}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{binaries()}{os.pathsep}{os.environ['PATH']}")
    return deployment


async def post(http: aiohttp.ClientSession, url: str, **form: str) -> tuple[int, dict[str, Any]]:
    """Send a form."""
    async with http.post(url, data=form) as answer:
        return answer.status, await answer.json() if answer.status < 300 else {}


async def get(http: aiohttp.ClientSession, path: str, tokens: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Ask the application, with an access token if there is one."""
    async with http.get(path, headers=bearer(tokens["access_token"]) if tokens else {}) as answer:
        return answer.status, await answer.json()


def told(tokens: dict[str, Any]) -> dict[str, Any]:
    """Return the claims of an access token."""
    return dict(jwt.decode(tokens["access_token"], options={"verify_signature": False}))


@asynccontextmanager
async def members(
    cluster: Cluster, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *more: str
) -> AsyncIterator[tuple[str, str]]:
    """Run the application of the page, with *more* of its blocks; give its address and the auth service's."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    rows = (
        f"('{name}@example.org', '{hasher.hash(PASSWORD)}', 'acme', {active})"
        for name, active in (("zs", True), ("former", False))
    )
    into = "members (email, password_hash, tenant, active)"
    monkeypatch.setenv("MEMBERS_URL", database(cluster, "members", MEMBERS, into, rows))
    monkeypatch.setenv("BACKEND_SECRET_FILE", "backend-secret")
    async with deployment.auth_service(AUTH_BACKEND_SECRET=SECRET) as auth:
        monkeypatch.setenv("AUTH_URL", str(auth.url.origin()))
        names: dict[str, Any] = {"__name__": "application", "OLD_KEY": OLD_KEY}
        for name in ("docs/any-login.md: Your own users table", *more):
            exec(block(name).text, names)  # noqa: S102 - the page
        if "exchange" in names:
            names["app"].router.add_post("/exchange", names["exchange"])
        async with serving(names["app"]) as url:
            yield str(url), str(auth.url.origin())


async def test_your_own_users_table(
    postgresql: Cluster, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members log in by their own table, refresh at the auth service, and are out at once when they leave."""
    async with members(postgresql, deployment, monkeypatch) as (app, auth), aiohttp.ClientSession() as http:
        email = "zs@example.org"
        status, tokens = await post(http, f"{app}/login", email=email, password=PASSWORD)
        claims = told(tokens)
        assert (200, "1", email, "acme", ["pwd"]) == (status, *(claims[n] for n in ("sub", "email", "tenant", "amr")))

        refused = [("zs", "wrong"), ("former", PASSWORD), ("nobody", PASSWORD)]
        for name, password in refused:
            assert 401 == (await post(http, f"{app}/login", email=f"{name}@example.org", password=password))[0]

        status, tokens = await post(http, f"{auth}/refresh", refresh_token=tokens["refresh_token"])
        assert (200, "acme") == (status, told(tokens)["tenant"])
        async with http.delete(f"{app}/me", headers=bearer(tokens["access_token"])) as left:
            assert 204 == left.status
        assert 400 == (await post(http, f"{auth}/refresh", refresh_token=tokens["refresh_token"]))[0]
        assert 401 == (await post(http, f"{app}/login", email=email, password=PASSWORD))[0]


async def test_from_django(postgresql: Cluster, deployment: Deployment, tmp_path: Path) -> None:
    """Users move in from Django's table, and log in with the passwords that they have."""
    users = [
        ("zs", DJANGO["pbkdf2_sha256"], "zs@example.org", False, True),
        ('o"brien\\', DJANGO["bcrypt_sha256"], "", True, True),
        ("sso", "!unusable", "sso@example.org", False, False),
    ]
    rows = (
        f"('{password}', false, '{name}', '', '', '{email}', {staff}, {active}, now())"
        for name, password, email, staff, active in users
    )
    columns = "password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined"
    url = database(postgresql, "django", AUTH_USER, f"auth_user ({columns})", rows)
    moving = block("docs/any-login.md: From Django and simplejwt")
    await asyncio.to_thread(run, moving, tmp_path, env={**deployment.auth, "DJANGO_DATABASE": url})
    async with deployment.auth_service() as auth, aiohttp.ClientSession() as http:
        answers = [
            await post(http, f"{auth.url.origin()}/login", username=name, password=FOREIGN_PASSWORD)
            for name, *_ in users
        ]

    assert [200, 200, 401] == [status for status, _ in answers]
    assert [("1", "read write"), ("2", "read write admin")] == [
        (told(tokens)["sub"], tokens["scope"]) for _, tokens in answers[:2]
    ]


async def test_a_token_of_simplejwt_is_exchanged(
    postgresql: Cluster, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody need log in again; what is no refresh token of the old application opens nothing."""
    now = int(time.time())
    old = {"token_type": "refresh", "exp": now + 3600, "iat": now - 600, "jti": "0" * 32, "user_id": "1"}
    bad = [{**old, "token_type": "access"}, {**old, "exp": now - 60}, {**old, "user_id": "7"}]
    exchange = "docs/any-login.md: From Django and simplejwt (2)"
    running = members(postgresql, deployment, monkeypatch, exchange)
    async with running as (app, _), aiohttp.ClientSession() as http:
        await post(http, f"{app}/login", email="zs@example.org", password=PASSWORD)
        status, tokens = await post(http, f"{app}/exchange", refresh=jwt.encode(old, OLD_KEY, "HS256"))
        refused = [(await post(http, f"{app}/exchange", refresh=jwt.encode(each, OLD_KEY, "HS256")))[0] for each in bad]
        forged = (await post(http, f"{app}/exchange", refresh=jwt.encode(old, "another key" * 4, "HS256")))[0]

    assert (200, "1", now - 600) == (status, told(tokens)["sub"], told(tokens)["auth_time"])
    assert [401, 401] == refused[:2]
    assert 400 <= refused[2]  # nobody of that id has moved in
    assert 401 == forged


async def test_from_fastapi_users(postgresql: Cluster, deployment: Deployment, tmp_path: Path) -> None:
    """Users move in from the table of fastapi-users, and its dependencies have their like."""
    hashes = (PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(FOREIGN_PASSWORD), BCRYPT["2b"])
    rows = (
        f"('{uuid}', 'user{number}@example.org', '{hashes[number]}', true, {number == 1}, {number == 0})"
        for number, uuid in enumerate(UUIDS)
    )
    url = database(postgresql, "fastapi", FASTAPI_USER, '"user"', rows)
    moving = block("docs/any-login.md: From fastapi-users")
    await asyncio.to_thread(run, moving, tmp_path, env={**deployment.auth, "FASTAPI_DATABASE": url})
    names: dict[str, Any] = {}
    exec(block("docs/any-login.md: From fastapi-users (2)").text, names)  # noqa: S102 - the page
    async with deployment.auth_service() as auth, served(names["app"]) as app, aiohttp.ClientSession(app) as http:
        seen = []
        for number in range(2):
            form = {"username": f"user{number}@example.org", "password": FOREIGN_PASSWORD}
            _, tokens = await post(http, f"{auth.url.origin()}/login", **form)
            _, me = await get(http, "/me", tokens)
            status, _ = await get(http, "/members", tokens)
            seen.append((me["id"], me["email"], status))
        nobody, _ = await get(http, "/me")

    assert [(UUIDS[0], "user0@example.org", 403), (UUIDS[1], None, 200)] == seen
    assert 401 == nobody
