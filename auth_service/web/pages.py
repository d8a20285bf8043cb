"""Which web page sent a request: one of ours, a foreign one, or none.

A browser sends what a page tells it to, from its visitor's address. CORS hides the answers from foreign pages, and lets
their requests through: forms that guess passwords would lock the visitor out. Scripts can set neither header.

Source: W3C Fetch Metadata §2.3; Fetch standard, "Origin header".
"""

from aiohttp import hdrs, web
from multidict import istr
from yarl import URL

from ..errors import ForeignPage
from .addresses import client_address
from .app_keys import EVENTS, SETTINGS

_SITE = istr("Sec-Fetch-Site")
_CHANGING = frozenset({hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH, hdrs.METH_DELETE})
_MAX_ORIGIN = 200


def is_own_page(request: web.Request) -> bool:
    """Tell whether a page of ours sent this: one of ``AUTH_CORS_ORIGINS``, or one from this very origin."""
    origins = request.headers.getall(hdrs.ORIGIN, ())
    if len(origins) == 1 and origins[0] in request.app[SETTINGS].cors_origins:
        return True
    return request.headers.getall(_SITE, ()) == ["same-origin"]


def refuse_foreign_page(request: web.Request) -> None:
    """Return if the sender is no browser, a page of ours, or only reads.

    Raises:
        ForeignPage: a page of another origin would change something.
    """
    if _SITE not in request.headers and hdrs.ORIGIN not in request.headers:
        return
    if is_own_page(request) or _is_of_this_host(request):
        return
    origins = request.headers.getall(hdrs.ORIGIN, ())
    if origins and request.method != hdrs.METH_OPTIONS:  # a preflight is told where it is answered
        shown = ", ".join(origins)[:_MAX_ORIGIN].encode("ascii", "backslashreplace").decode()
        request.app[EVENTS].page_refused(shown, client_address(request))
    if request.method in _CHANGING:
        raise ForeignPage


def _is_of_this_host(request: web.Request) -> bool:
    """Tell it for browsers that send no ``Sec-Fetch-Site``: old ones, and any over plain HTTP."""
    if request.headers.getall(_SITE, ["none"]) != ["none"]:
        return False
    host = request.headers.get(hdrs.HOST, "").lower()
    own = {str(URL(request.app[SETTINGS].issuer).origin()), f"http://{host}", f"https://{host}"}
    return all(origin in own for origin in request.headers.getall(hdrs.ORIGIN, ()))
