"""What other parties may know: RFC 8414 metadata and the public half of the keys (RFC 7517)."""

from aiohttp import web

from auth_service.web.keys import PUBLIC_KEYS, SETTINGS


async def metadata(request: web.Request) -> web.Response:
    """Answer the RFC 8414 document; endpoints lie under the issuer."""
    issuer = request.app[SETTINGS].issuer
    base = issuer.rstrip("/")
    return web.json_response(
        {
            "issuer": issuer,
            "token_endpoint": f"{base}/refresh",
            "revocation_endpoint": f"{base}/logout",
            "introspection_endpoint": f"{base}/introspect",
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "grant_types_supported": ["refresh_token"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
        }
    )


async def jwks(request: web.Request) -> web.Response:
    """Answer the public keys; a shared key has no public half, so that it never appears."""
    public = request.app[PUBLIC_KEYS]
    # Who asks may hold a token that another process signed with a key since a moment ago.
    public.look()
    return web.Response(body=public.current, content_type="application/json")


async def index(_request: web.Request) -> web.Response:
    """Say what this is."""
    return web.json_response({"service": "dualtoken auth_service", "documentation": "/docs"})
