"""PostgreSQL's role for serving works on rows, and can do nothing else: the statements of docs/operations.md."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.auth_service.store.privileges import PRIVILEGES, statements
from dualtoken.auth_service.store.schema import metadata
from dualtoken.auth_service.store.sql import open_store
from dualtoken.auth_service.use_cases.expired_sessions import Janitor
from tests.documentation.blocks import block
from tests.documentation.shell import run as run_block
from tests.postgresql import Cluster, clusters
from tests.system.processes import PASSWORD, Deployment, deployment_in, run, succeed

CREATION, GRANTS = (
    block("docs/operations.md: Least privilege in PostgreSQL"),
    block("docs/operations.md: Least privilege in PostgreSQL (3)"),
)
OWNER, ROLE = "dualtoken_owner", "dualtoken"
OWNERS_PASSWORD, ROLES_PASSWORD = "owner's secret", "role's secret"
_YEAR_MS = 365 * 24 * 3_600_000


@dataclass(frozen=True)
class Roles:
    """A database with both roles, and settings of services in a folder."""

    cluster: Cluster
    deployment: Deployment

    def url(self, role: str, password: str) -> str:
        """Return the address for a role."""
        return f"postgresql://{role}:{quote(password)}@127.0.0.1:{self.cluster.port}/dualtoken"

    @property
    def owner(self) -> dict[str, object]:
        """Settings of ``migrate``."""
        return {**self.deployment.auth, "AUTH_DATABASE_URL": self.url(OWNER, OWNERS_PASSWORD)}

    @property
    def role(self) -> dict[str, object]:
        """Settings of everything else."""
        return {**self.deployment.auth, "AUTH_DATABASE_URL": self.url(ROLE, ROLES_PASSWORD)}


def creation() -> list[str]:
    """Return the statements that make roles and database, with two passwords in place of the page's ``…``."""
    text = CREATION.text
    for password in (OWNERS_PASSWORD, ROLES_PASSWORD):
        text = text.replace("'…'", "'{}'".format(password.replace("'", "''")), 1)
    return [statement for line in text.splitlines() if (statement := line.strip())]


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roles]:
    """A server of which a role needs its password, with what the page creates, migrated by the owner."""
    with clusters() as [cluster]:
        cluster.initialise().start().execute(*creation())
        rules = ("host all postgres 127.0.0.1/32 trust", "host all all 127.0.0.1/32 scram-sha-256")
        (cluster.data / "pg_hba.conf").write_text("".join(f"{rule}\n" for rule in rules), encoding="ascii")
        cluster.execute("SELECT pg_reload_conf()")
        roles = Roles(cluster, deployment_in(tmp_path_factory.mktemp("keys")))
        with asyncio.Runner() as runner:
            runner.run(migrated(roles))
        yield roles


async def migrated(roles: Roles) -> None:
    """Make keys; migrate as the page says."""
    await succeed("auth_service", "keys", "init", "--dir", str(roles.deployment.folder / "keys"), settings=roles.owner)
    (roles.deployment.folder / "owner-url").write_text(roles.url(OWNER, OWNERS_PASSWORD))
    run_block(block("docs/operations.md: Least privilege in PostgreSQL (2)"), roles.deployment.folder)


async def test_everything_but_migration_works_without_ownership(roles: Roles) -> None:
    """Serving, log-in, rotation, reuse, log-out, change of password, the operator's commands, the janitor."""
    new = f"another {PASSWORD}"
    account = {"username": "zs", "password": PASSWORD}

    async def command(*arguments: str, stdin: str = "") -> str:
        return await succeed("auth_service", *arguments, settings=roles.role, stdin=stdin)

    await command("users", "add", "zs", "--email", "zs@example.org", stdin=f"{PASSWORD}\n")
    async with roles.deployment.auth_service(**roles.role) as service, aiohttp.ClientSession(service.url) as http:

        async def post(path: str, body: dict[str, str], token: str = "") -> tuple[int, dict[str, str]]:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with http.post(path, json=body, headers=headers) as response:
                return response.status, await response.json() if response.status != 204 else {}

        _, first = await post("/login", account)
        _, second = await post("/refresh", {"refresh_token": first["refresh_token"]})
        _, third = await post("/refresh", {"refresh_token": second["refresh_token"]})
        assert (400, "reused") == reason(await post("/refresh", {"refresh_token": first["refresh_token"]}))
        assert (400, "revoked") == reason(await post("/refresh", {"refresh_token": third["refresh_token"]}))
        _, other = await post("/login", account)
        change = {"current_password": PASSWORD, "new_password": new}
        assert (204, {}) == await post("/password", change, other["access_token"])
        assert (200, {}) == await post("/logout", {"token": other["refresh_token"]})
        _, last = await post("/login", {**account, "password": new})
        await command("sessions", "list", "zs")
        await command("sessions", "revoke", "--user", "zs")
        assert (400, "revoked") == reason(await post("/refresh", {"refresh_token": last["refresh_token"]}))
        await command("users", "disable", "zs")
        await command("users", "enable", "zs")
        await command("users", "set-password", "zs", stdin=f"{PASSWORD}\n")
        await command("users", "list")
    async with open_store(str(roles.role["AUTH_DATABASE_URL"])) as store:
        swept = await Janitor(store, lambda: wall_clock() + _YEAR_MS, keep=0).sweep()

    assert 3 == swept


def reason(answer: tuple[int, dict[str, str]]) -> tuple[int, str | None]:
    """Return the status and the reason of a refusal."""
    return answer[0], answer[1].get("reason")


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE sessions",
        "TRUNCATE sessions",
        "ALTER TABLE users ADD COLUMN x int",
        "ALTER TABLE sessions DISABLE TRIGGER ALL",
        "CREATE INDEX ON sessions (ip)",
        "CREATE TABLE x ()",
        "CREATE TEMPORARY TABLE x ()",
        "CREATE SCHEMA x",
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE x",
        "ALTER ROLE dualtoken SUPERUSER",
        "SET ROLE dualtoken_owner",
        "CREATE DATABASE x",
        "UPDATE alembic_version SET version_num = '9999'",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY sessions TO PROGRAM 'cat'",
    ],
)
async def test_what_the_role_may_not_do(roles: Roles, statement: str) -> None:
    """No change of tables, roles or privileges, no password hash of PostgreSQL, no file, no program."""
    connection = await asyncpg.connect(str(roles.role["AUTH_DATABASE_URL"]))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_neither_role_is_a_superuser(roles: Roles) -> None:
    """Both are plain roles, members of none, and other databases' owners are strangers to them."""
    attributes = roles.cluster.execute(
        "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname LIKE 'dualtoken%' ORDER BY 1",
        "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname LIKE 'dualtoken%'",
    )

    assert ["dualtoken|f|f|f|f|f", "dualtoken_owner|f|f|f|f|f", "0"] == attributes.splitlines()


async def test_the_role_cannot_grant(roles: Roles) -> None:
    """Granting is the owner's. PostgreSQL would only warn; the command is a problem, and nobody gains anything."""
    roles.cluster.execute("CREATE ROLE stranger")
    status, _, err = await run("auth_service", "migrate", "--grant-to", "stranger", settings=roles.role)
    granted = roles.cluster.execute("SELECT has_table_privilege('stranger', 'users', 'SELECT')", database="dualtoken")

    assert (2, "f") == (status, granted)
    assert "auth_service: --grant-to: users belongs to another role than that of AUTH_DATABASE_URL\n" == err


async def test_a_role_that_is_not_there_is_named(roles: Roles) -> None:
    """One line, exit status 2, whatever the name holds."""
    status, _, err = await run("auth_service", "migrate", "--grant-to", 'x"; DROP TABLE users', settings=roles.owner)

    assert (2, "auth_service: --grant-to: no role 'x\"; DROP TABLE users'\n") == (status, err)


async def test_sqlite_knows_no_roles(tmp_path: Path) -> None:
    """The option is refused, not passed over."""
    status, _, err = await run("auth_service", "migrate", "--grant-to", ROLE, settings=deployment_in(tmp_path).auth)

    assert (2, "auth_service: --grant-to: only PostgreSQL has roles\n") == (status, err)


def test_the_page_shows_what_is_granted() -> None:
    """The statements of the page are those that ``migrate --grant-to`` runs, and no table is forgotten."""
    assert [f"{statement};" for statement in statements(ROLE)] == GRANTS.lines
    assert {*metadata.tables, "alembic_version"} == set(PRIVILEGES)


def test_compose_makes_the_roles_of_the_page() -> None:
    """docker/roles.sql runs the same statements, with passwords from files."""
    script = (Path(__file__).parents[2] / "docker" / "roles.sql").read_text(encoding="utf-8")
    run_there = [line for line in script.splitlines() if line and not line.startswith(("--", "\\"))]

    assert CREATION.text.replace("'…'", ":'owner_password'", 1).replace("'…'", ":'password'") == "".join(
        f"{line}\n" for line in run_there
    )
