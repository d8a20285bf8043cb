"""The refresh token in a cookie, for web pages: no script ever sees it.

The browser attaches a cookie by itself, whoever made it send the request. So a cookie counts only where the browser
says that a page of ours did. CORS is no help: it hides answers from foreign pages, and lets their requests through.

Source: RFC 6265bis §4.1.3.2 (the ``__Host-`` prefix), §8.8 (SameSite); W3C Fetch Metadata §2.3.
"""

from aiohttp import hdrs, web

from auth_service.errors import InvalidRequest, NoToken
from auth_service.sessions import Granted
from auth_service.web.answers import token_response, user_info
from auth_service.web.keys import SETTINGS

NAME = "__Host-refresh"  # the browser takes it only with Secure, Path=/ and no Domain: no sibling host can plant one


def may_hold_cookie(request: web.Request) -> bool:
    """Tell whether a page of ours sent this: one of ``AUTH_CORS_ORIGINS``, or one from this very origin.

    Scripts can set neither header. Without both the caller is no browser of today, and has a body to put tokens in.
    """
    origins = request.headers.getall(hdrs.ORIGIN, ())
    if len(origins) == 1 and origins[0] in request.app[SETTINGS].cors_origins:
        return True
    return request.headers.getall("Sec-Fetch-Site", ()) == ["same-origin"]


def token_in_cookie(request: web.Request) -> str:
    """Return the refresh token of a cookie that counts.

    Raises:
        InvalidRequest: not for this caller, whatever it sent.
        NoToken: a page of ours sent none.
    """
    if not may_hold_cookie(request):
        raise InvalidRequest("A token is needed in the body; a cookie counts from a page of AUTH_CORS_ORIGINS.")
    token = request.cookies.get(NAME)
    if not token:
        raise NoToken
    return token


def cookie_response(granted: Granted) -> web.Response:
    """Return 200 with the refresh token in the cookie alone, and the user: after a reload, a page knows nobody."""
    response = token_response(granted, with_refresh_token=False, userInfo=user_info(granted))
    response.set_cookie(
        NAME, granted.refresh_token, max_age=granted.refresh_expires_in,
        path="/", secure=True, httponly=True, samesite="Strict",
    )  # fmt: skip
    return response


def forget_cookie(response: web.StreamResponse) -> None:
    """Let the browser drop the cookie."""
    response.del_cookie(NAME, path="/", secure=True, httponly=True, samesite="Strict")
