"""What the requests are, and when an answer is wrong."""

import hashlib
from collections import Counter
from itertools import islice

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dualtoken.client.loadtest.operations import Operations, Wrong, sequence
from dualtoken.client.loadtest.options import Options, Scenario
from dualtoken.client.loadtest.users import Now, VirtualUser
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control
from tests.deadline import HANGS_S


def test_every_stretch_has_the_same_mix() -> None:
    """Mixed is 90 read, 8 upload, 1 refresh and 1 login of a hundred, spread evenly."""
    kinds = list(islice(sequence(Scenario.MIXED), 200))
    uploads = [Counter(kinds[start : start + 25])["upload"] for start in range(0, 200, 25)]

    assert {"read": 180, "upload": 16, "refresh": 2, "login": 2} == Counter(kinds)
    assert [2] * 8 == uploads


@pytest.mark.parametrize("kind", [Scenario.READ, Scenario.UPLOAD, Scenario.REFRESH, Scenario.LOGIN])
async def test_a_right_answer_passes(pair: Control, kind: Scenario) -> None:
    """Every kind of request is answered by the services."""
    await send(pair, kind, pair.api_url)


async def test_another_status_is_wrong(pair: Control) -> None:
    """An answer that is no success names the call and the status."""
    with pytest.raises(Wrong, match=r"^GET /home answered 404$"):
        await send(pair, Scenario.READ, pair.auth_url)


async def test_a_login_leaves_no_session_behind(pair: Control) -> None:
    """What a login opened is closed, outside the time that is measured."""
    await send(pair, Scenario.LOGIN, pair.api_url)

    assert {"logins": 2, "live_sessions": 1} == await pair.counts("logins", "live_sessions")


async def send(pair: Control, kind: Scenario, api_url: str) -> None:
    """Send one request and clean up."""
    options = Options(pair.auth_url, api_url, "zs", body_bytes=2000)
    async with aiohttp.ClientSession() as auth_http, aiohttp.TCPConnector() as connector:
        operations = Operations(options, PASSWORD, auth_http)
        user = VirtualUser(
            pair.auth_url,
            api_url,
            auth_http=auth_http,
            connector=connector,
            timeout_s=HANGS_S,
            allow_insecure=False,
            now=Now(),
        )
        async with user:
            await user.log_in("zs", PASSWORD)
            if (clean_up := await operations.send(kind, user)) is not None:
                await clean_up()


async def test_an_upload_that_arrived_as_other_bytes_is_wrong(pair: Control) -> None:
    """200 for a body that was resent empty is a failure."""

    async def empty(_: web.Request) -> web.Response:
        return web.json_response({"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()})

    app = web.Application()
    app.router.add_post("/echo", empty)
    async with TestServer(app) as server:
        with pytest.raises(Wrong, match=r"^POST /echo received other bytes$"):
            await send(pair, Scenario.UPLOAD, str(server.make_url("/")))
