"""What an error of the auth service says."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from dualtoken.client import AuthRejected, AuthUnavailable, ClientError, InvalidCredentials
from dualtoken.client.wire.auth_api import AuthApi


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": "invalid_credentials"}, InvalidCredentials),
        (400, {"error": "invalid_request"}, AuthRejected),
        (404, {}, AuthRejected),
        (200, {}, AuthRejected),
        (200, {"error": "oops"}, AuthRejected),
        (429, {"error": "too_many_attempts"}, AuthUnavailable),
        (503, {"error": "unavailable"}, AuthUnavailable),
    ],
)
@pytest.mark.parametrize(("sent", "shown"), [("4bf92f35", " (request 4bf92f35)"), ("[2J x", "")])
async def test_an_error_carries_the_request_id(
    status: int, body: dict[str, str], kind: type[ClientError], sent: str, shown: str
) -> None:
    """The operator of the service finds its log lines by it. What could write on a terminal is left out."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers={"X-Request-Id": sent})

    app = web.Application()
    app.router.add_post("/login", answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        api = AuthApi(URL(str(server.make_url("/"))), http, lambda: 0.0)
        with pytest.raises(kind) as error:
            await api.login("zs", "password", timeout_s=60)

    assert shown == str(error.value)[len(str(error.value)) - len(shown) :]
    assert bool(shown) == ("request" in str(error.value).partition("(")[2])
