"""The answers of RFC 6750 §3 to requests whose token is missing, refused, or not enough."""

import json
import re

from aiohttp import hdrs, web

from resource_service.errors import CredentialsMissing, InsufficientScope, ResourceError, TokenRefused, Unavailable

RETRY_AFTER_S = 1
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""One scope (RFC 6749 §3.3)."""
QUOTABLE = re.compile(r'[^\x00-\x1f\x7f"\\]*')
"""What a quoted-string can hold without escapes (RFC 9110 §5.6.4)."""


def error_body(code: str, description: str) -> str:
    """The one shape of every error body, as JSON."""
    return json.dumps({"error": code, "error_description": description})


def refusal(error: ResourceError, realm: str) -> web.HTTPException:
    """Make the answer to *error*, to be raised.

    Args:
        error: one that an access check raises.
        realm: names the protection space (RFC 9110 §11.5).
    """
    challenge = f'Bearer realm="{realm}"'
    match error:
        case CredentialsMissing():
            body = error_body("missing_credentials", "send an access token in the Authorization header, as Bearer")
            return web.HTTPUnauthorized(headers=_headers(challenge), text=body, content_type="application/json")
        case TokenRefused():
            challenge += f', error="invalid_token", error_description="{error.reason}"'
            body = error_body("invalid_token", error.reason)
            return web.HTTPUnauthorized(headers=_headers(challenge), text=body, content_type="application/json")
        case InsufficientScope():
            challenge += f', error="insufficient_scope", scope="{error.scope}"'
            body = error_body("insufficient_scope", f"needs the scope {error.scope}")
            return web.HTTPForbidden(headers=_headers(challenge), text=body, content_type="application/json")
        case Unavailable():
            body = error_body("unavailable", "access tokens cannot be verified now")
            headers = {hdrs.RETRY_AFTER: str(RETRY_AFTER_S), hdrs.CACHE_CONTROL: "no-store"}
            return web.HTTPServiceUnavailable(headers=headers, text=body, content_type="application/json")
    raise error


def _headers(challenge: str) -> dict[str, str]:
    return {hdrs.WWW_AUTHENTICATE: challenge, hdrs.CACHE_CONTROL: "no-store"}
