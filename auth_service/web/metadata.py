"""Public data: RFC 8414 metadata and the public half of the keys (RFC 7517)."""

import hashlib

from aiohttp import hdrs, web
from yarl import URL

from ..domain.proof import ALGORITHMS
from .app_keys import PUBLIC_KEYS, SETTINGS
from .token import grants

_METADATA = "/.well-known/oauth-authorization-server"
_AN_HOUR = {hdrs.CACHE_CONTROL: "public, max-age=3600"}
routes = web.RouteTableDef()


@routes.get("/.well-known/oauth-authorization-server/{path:.+}")
async def metadata_of_path(request: web.Request) -> web.Response:
    """Answer the same where the issuer has that path (RFC 8414 §3.1)."""
    if request.rel_url.raw_path.removeprefix(_METADATA) != URL(request.app[SETTINGS].issuer).raw_path.rstrip("/"):
        raise web.HTTPNotFound
    return _document(request)


@routes.get(_METADATA)
async def metadata(request: web.Request) -> web.Response:
    """Answer the RFC 8414 document; endpoints lie under the issuer."""
    return _document(request)


def _document(request: web.Request) -> web.Response:
    issuer = request.app[SETTINGS].issuer
    base = issuer.rstrip("/")
    bound = {} if request.app[SETTINGS].dpop == "off" else {"dpop_signing_alg_values_supported": ALGORITHMS}
    return web.json_response(
        {
            "issuer": issuer,
            "token_endpoint": f"{base}/token",
            "revocation_endpoint": f"{base}/logout",
            "introspection_endpoint": f"{base}/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "Bearer"],
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "grant_types_supported": list(grants(request.app[SETTINGS])),
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            **bound,
        },
        headers=_AN_HOUR,
    )


@routes.get("/.well-known/jwks.json")
async def jwks(request: web.Request) -> web.Response:
    """Answer the public keys; a shared key has no public half, so that it never appears.

    A cache must ask each time: a key that signs since a moment ago is needed at once.
    """
    public = request.app[PUBLIC_KEYS]
    # Who asks may hold a token that another process signed with a key since a moment ago.
    public.look()
    tag = hashlib.sha256(public.current).hexdigest()[:32]
    headers = {hdrs.CACHE_CONTROL: "public, no-cache", hdrs.ETAG: f'"{tag}"'}
    if any(known.value in {tag, "*"} for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=public.current, content_type="application/json", headers=headers)
