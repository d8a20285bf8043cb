"""docs/identity-providers.md: its file is one, and its calls get the answers that stand beside them."""

import asyncio
import time
from pathlib import Path

from dualtoken.auth_service.domain.trusted_issuers import TrustedIssuer, read_trusted_issuers
from dualtoken.auth_service.grant_errors import AssertionProblem
from tests.auth_service.issuers import Issuer, write_issuers
from tests.documentation.blocks import CHECKOUT, block
from tests.documentation.shell import run
from tests.system.processes import deployment_in, prepare

PAGE = (CHECKOUT / "docs" / "identity-providers.md").read_text(encoding="utf-8")


def test_the_file_of_the_page_is_good() -> None:
    """Keycloak, Google, Entra: three entries, each with its own users."""
    entries = read_trusted_issuers(block("docs/identity-providers.md: Say whom you trust").text.encode())
    subs = [entry.sub_of("7") for entry in entries.values()]

    assert ["https://id.example/realms/company|7", "google|7", "entra|7"] == subs


def test_the_page_names_every_member_and_every_reason() -> None:
    """Of the file, and of the answers."""
    rows = "".join(line for line in PAGE.splitlines(keepends=True) if line.startswith("| "))
    names = {*TrustedIssuer.model_fields, *(problem.value for problem in AssertionProblem)}

    assert set() == {name for name in names if f"`{name}`" not in rows}


async def test_an_id_token_is_sent(tmp_path: Path) -> None:
    """It opens a session once, as the page says."""
    deployment = deployment_in(tmp_path)
    await prepare(deployment)
    async with Issuer("RS256").serving() as issuer:
        (tmp_path / "id-token").write_text(issuer.assertion(int(time.time() * 1000)))
        trusted = write_issuers(tmp_path, issuer.entry())
        async with deployment.auth_service(AUTH_TRUSTED_ISSUERS=trusted) as auth:
            calls = block("docs/identity-providers.md: Send the ID token")
            where = {"http://localhost:8001": str(auth.url.origin())}
            answers = await asyncio.to_thread(run, calls, tmp_path, replacing=where)

    assert 3 == len(answers)
