"""Proxies, a company's authority, ``.netrc``: what stands around a command."""

from pathlib import Path

import pytest

from dualtoken.client import ConfigurationError
from dualtoken.client.commands.exit_codes import Exit
from dualtoken.client.commands.http import http_session
from tests.client.commands.relays import proxy, tls_front
from tests.client.commands.running import Done, Run, fill
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control
from tests.system.certificates import Certificates, issue


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Return a server's certificate, and that of the authority that nobody here trusts."""
    return issue(tmp_path / "certificates")


async def test_proxies_come_from_the_environment(run: Run, pair: Control) -> None:
    """For the auth service and for what is called; NO_PROXY excepts a host."""
    async with proxy() as (address, asked):
        login = ["login", "--auth", pair.auth_url, "--user", "zs"]
        await run(*login, line=f"{PASSWORD}\n", HTTP_PROXY=address, http_proxy=address)
        await run("get", f"{pair.api_url}/things", HTTP_PROXY=address, http_proxy=address)
        done = await run(
            "get", f"{pair.api_url}/things", HTTP_PROXY=address, http_proxy=address, NO_PROXY="*", no_proxy="*"
        )

    assert [f"POST {pair.auth_url}/login", f"GET {pair.api_url}/things"] == asked
    assert Done(Exit.OK, b'{"things": []}', "") == done


@pytest.mark.parametrize(
    "address", ["garbage", "socks5://secret@127.0.0.1:9", "http://secret@[::", ":::", "http://:9", "http://a:99999999"]
)
async def test_a_proxy_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Before anything is sent, past it or through it; a password in it is not quoted."""
    monkeypatch.setenv("https_proxy", address)

    with pytest.raises(ConfigurationError) as error:
        http_session(None)

    assert "HTTPS_PROXY: write it like http://proxy.example:3128" == str(error.value)


@pytest.mark.usefixtures("logged_in")
async def test_a_proxy_that_is_passed_by_is_told(run: Run, pair: Control) -> None:
    """The HTTP library knows no proxies behind TLS."""
    done = await run("get", f"{pair.api_url}/things", http_proxy="https://zs:secret@127.0.0.1:9")

    assert (Exit.OK, b'{"things": []}') == (done.code, done.out)
    assert {"dualtoken: HTTPS proxies https://127.0.0.1:9 are not supported, ignoring"} == set(done.err.splitlines())


async def test_a_companys_authority_is_trusted_by_cacert(run: Run, pair: Control, certificates: Certificates) -> None:
    """Through a proxy, too; without it nothing is sent."""
    trusting = ["--cacert", str(certificates.authority)]
    async with (
        tls_front(pair.auth_url, certificates) as auth_url,
        tls_front(pair.api_url, certificates) as api_url,
        proxy() as (address, asked),
    ):
        login = ["login", "--auth", auth_url, "--user", "zs"]
        refused = await run(*login, line=f"{PASSWORD}\n")
        await run(*login, *trusting, line=f"{PASSWORD}\n")
        await pair.expire()
        done = await run(
            "get", f"{api_url}/things", DUALTOKEN_CACERT=str(certificates.authority), HTTPS_PROXY=address,
            https_proxy=address,
        )  # fmt: skip
        await run("logout", *trusting)

    assert (Exit.UNAVAILABLE, 1) == (refused.code, refused.err.count("\n"))
    assert "name its authority with --cacert FILE" in refused.err
    assert Done(Exit.OK, b'{"things": []}', "") == done
    assert {f"CONNECT {address.removeprefix('https://')}" for address in (api_url, auth_url)} == set(asked)
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file or directory"), (b"no certificate", "no certificates in PEM form")],
)
async def test_a_cacert_that_is_none_is_named(
    run: Run, pair: Control, tmp_path: Path, content: bytes | None, message: str
) -> None:
    """One line; the password has not left."""
    file = tmp_path / "ca.pem"
    if content is not None:
        fill(file, content)
    done = await run("login", "--auth", pair.auth_url, "--user", "zs", "--cacert", str(file), line=f"{PASSWORD}\n")

    assert Done(Exit.USAGE, b"", f"dualtoken: --cacert {file}: {message}\n") == done


@pytest.mark.usefixtures("logged_in")
async def test_a_netrc_does_not_displace_the_token(run: Run, pair: Control, tmp_path: Path) -> None:
    """A default in it would send a password to every service."""
    fill(tmp_path / "netrc", b"default login zs password secret\n")

    assert Exit.OK == (await run("get", f"{pair.api_url}/things", NETRC=str(tmp_path / "netrc"))).code
    assert ["Bearer at-1"] == (await pair.state())["seen"]
