"""Present assertions, and count what came of it."""

from tests.auth_service.issuers import GRANT
from tests.auth_service.running import Auth
from tests.auth_service.web.backend_calls import Answer, read


async def present(auth: Auth, assertion: str, headers: dict[str, str] | None = None, **fields: str) -> Answer:
    """Present an assertion, in a form as RFC 6749 has it."""
    form = {"grant_type": GRANT, "assertion": assertion, **fields}
    return await read(await auth.client.post("/token", data=form, headers=headers))


def rows(auth: Auth) -> list[int]:
    """Return how many users, sessions and spent assertions there are, beside the fixture's user."""
    tables = ("users WHERE id <> 'u-1'", "sessions", "spent_assertions")
    return [auth.sql(f"SELECT count(*) FROM {table}")[0][0] for table in tables]  # noqa: S608 - the names above
