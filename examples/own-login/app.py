"""Sign-up, e-mail verification and password reset of one's own, over dualtoken's ``/users`` and ``POST /sessions``.

    python app.py

The application keeps nothing: accounts stand in the auth service, and what a link of a mail may do stands in the link.
"""

import hashlib
import hmac
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import aiohttp
from aiohttp import web
from links import BadLink, Links
from mails import Mails
from pages import page
from users import Refused, Users

from dualtoken.resource_service import CLAIMS, Bearer, public

USERS = web.AppKey("USERS", Users)
LINKS = web.AppKey("LINKS", Links)
MAILS = web.AppKey("MAILS", Mails)
PUBLIC_URL = web.AppKey("PUBLIC_URL", str)
SCOPE = "read write"
routes = web.RouteTableDef()


def sub_of(email: str) -> str:
    """Return the id of whoever has an address: nobody need be looked up by it."""
    return str(uuid5(NAMESPACE_URL, f"mailto:{email}"))


@routes.post("/sign-up")
@public
async def sign_up(request: web.Request) -> web.Response:
    """Make an account that is disabled until its address is verified; the answer never says whether there was one.

    It has no password yet: a stranger may have typed the address. Whoever lost the mail signs up again.
    """
    email, app = (await fields(request, "email"))["email"], request.app
    users, sub = app[USERS], sub_of(email)
    etag = await users.add(sub, {"username": email, "disabled": True})
    if etag is None and (found := await users.find(sub)) and found.is_unverified:
        etag = found.etag
    if etag is None:
        text = f"You have an account already. Forgot the password? {app[PUBLIC_URL]}/forgot"
        app[MAILS].send(email, "Your account", text)
    else:
        send_link(app, email, "verify", etag, "Verify your address")
    return web.json_response({}, status=202)


@routes.post("/verify")
@public
async def verify(request: web.Request) -> web.Response:
    """Enable the account of a link, with the password of whoever follows it, and log its owner in."""
    body = await fields(request, "token", "password")
    email, etag = request.app[LINKS].read(body["token"], "verify")
    verified = {"disabled": False, "email": email, "scope": SCOPE, "password": body["password"]}
    if not await request.app[USERS].change(sub_of(email), verified, etag):
        raise BadLink
    return web.json_response(await request.app[USERS].open_session(sub_of(email), request))


@routes.post("/forgot")
@public
async def forgot(request: web.Request) -> web.Response:
    """Send a link to whoever has an account; the answer never says whether anybody has."""
    email = (await fields(request, "email"))["email"]
    found = await request.app[USERS].find(sub_of(email))
    if found is not None and not found.account["disabled"]:
        send_link(request.app, email, "reset", found.etag, "Set a new password")
    return web.json_response({}, status=202)


@routes.post("/reset")
@public
async def reset(request: web.Request) -> web.Response:
    """Set a password by a link. All sessions end with the old one, in the auth service's own transaction."""
    body = await fields(request, "token", "password")
    email, etag = request.app[LINKS].read(body["token"], "reset")
    if not await request.app[USERS].change(sub_of(email), {"password": body["password"]}, etag):
        raise BadLink
    request.app[MAILS].send(email, "Your password was changed", "If it was not you, set another one at once.")
    return web.json_response({})


@routes.get("/me")
async def me(request: web.Request) -> web.Response:
    """Say who calls: what the application itself is for."""
    claims = request[CLAIMS]
    return web.json_response({"sub": claims.sub, "email": claims.email, "scope": claims.scope})


@routes.get("/")
@public
async def forms(_request: web.Request) -> web.Response:
    """Show the forms for signing up and for a forgotten password."""
    return page("Sign up", "/sign-up", email="email")


@routes.get("/forgot")
@public
async def forgot_form(_request: web.Request) -> web.Response:
    """Ask for the address."""
    return page("Forgot your password?", "/forgot", email="email")


# A link only shows a form: what looks into mails for bad links opens each one, and presses no button.
@routes.get("/verify")
@public
async def verify_form(request: web.Request) -> web.Response:
    """Ask for the password of the account."""
    return _password_form(request, "Verify your address", "/verify")


@routes.get("/reset")
@public
async def reset_form(request: web.Request) -> web.Response:
    """Ask for a new password."""
    return _password_form(request, "Set a new password", "/reset")


def _password_form(request: web.Request, title: str, action: str) -> web.Response:
    return page(title, action, {"token": request.query.get("token", "")}, password="password")  # noqa: S106 - a type


def send_link(app: web.Application, email: str, purpose: str, etag: str, subject: str) -> None:
    """Send a link that works for as long as the account is as it is now, and an hour at most."""
    token = app[LINKS].make(email, purpose, etag)
    app[MAILS].send(email, subject, f"{app[PUBLIC_URL]}/{purpose}?token={token}")


async def fields(request: web.Request, *names: str) -> dict[str, str]:
    """Return the fields of a form or of JSON; an address has one form."""
    try:
        body: Any = await request.json() if request.content_type == "application/json" else dict(await request.post())
    except ValueError:
        raise Refused("neither JSON nor a form") from None
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) and body[name] for name in names):
        raise Refused(f"give {' and '.join(names)}")
    return {name: body[name].strip().lower() if name == "email" else body[name] for name in names}


@web.middleware
async def refusals(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer what was refused with the reason, as JSON."""
    try:
        return await handler(request)
    except (Refused, BadLink) as exc:
        return web.json_response({"error": str(exc)}, status=400)


def create_app(env: dict[str, str]) -> web.Application:
    """Wire the application. Does no I/O but reading the secret."""
    secret = Path(env["BACKEND_SECRET_FILE"]).read_text().strip()

    async def others(app: web.Application) -> AsyncIterator[None]:
        headers = {"Authorization": f"Bearer {secret}"}
        calls = aiohttp.ClientSession(env["AUTH_URL"], headers=headers, timeout=aiohttp.ClientTimeout(30))
        async with calls as http, app[MAILS].sending():
            app[USERS] = Users(http)
            yield

    app = web.Application(middlewares=[refusals])
    app[LINKS] = Links(hmac.digest(secret.encode(), b"links", hashlib.sha256))
    app[MAILS] = Mails(*env["SMTP"].rsplit(":", 1), sender=env.get("SENDER", "no-reply@localhost"))
    app[PUBLIC_URL] = env["PUBLIC_URL"]
    app.cleanup_ctx.append(others)
    app.add_routes(routes)
    Bearer(issuer=env["ISSUER"], audience=env["AUDIENCE"], keys=env["ACCESS_KEYS"]).mount(app)
    return app


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8080"))))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    application = create_app({"PUBLIC_URL": url, **os.environ})
    print(f"own-login listening on {url}", flush=True)
    web.run_app(application, sock=listening, print=None)
