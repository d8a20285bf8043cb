import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from dualtoken.auth_service.app import create_app
from dualtoken.auth_service.settings import Settings
from tests.auth_service.running import Auth, AuthServer


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/refresh/dtr1_x", 404, "not_found"),
        ("GET", "/login", 405, "method_not_allowed"),
        ("DELETE", "/logout", 405, "method_not_allowed"),
        ("POST", "/health/live", 405, "method_not_allowed"),
    ],
)
async def test_errors_of_the_router_have_the_one_shape(
    auth: Auth, method: str, path: str, status: int, code: str
) -> None:
    """An unknown path or method is answered like every other error, and does not repeat the path."""
    response = await auth.client.request(method, path)
    body = await response.json()

    assert (status, code) == (response.status, body["error"])
    assert {"error", "error_description"} == body.keys()
    assert path not in body["error_description"]


async def test_what_nobody_foresaw_is_a_bare_500(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception says nothing of itself: no text, no trace, no path."""
    caplog.set_level(logging.DEBUG)

    async def broken(_request: web.Request) -> web.Response:
        raise RuntimeError("SELECT secret FROM /var/lib")

    app = create_app(settings)
    app.router.add_get("/broken", broken)
    async with TestClient(AuthServer(app, settings)) as client:
        response = await client.get("/broken")
        text = await response.text()

    assert (500, "server_error") == (response.status, (await response.json())["error"])
    assert not [word for word in ("SELECT", "secret", "/var", "Traceback", "RuntimeError") if word in text]
