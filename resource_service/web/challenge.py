"""The answers of RFC 6750 §3 to a missing, refused or insufficient token. Independent of any framework."""

import re
from dataclasses import dataclass

from dualtoken_serving.error_answers import error_body

from ..errors import CredentialsMissing, InsufficientScope, ResourceError, TokenRefused, Unavailable
from .protected_resource import ProtectedResource

RETRY_AFTER_S = 1
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""One scope (RFC 6749 §3.3)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer: its body is JSON, and its content type not among its headers."""

    status: int
    headers: dict[str, str]
    body: str


def refusal(error: ResourceError, resource: ProtectedResource) -> Refusal:
    """Make the answer to *error*, one that an access check raises."""
    match error:
        case CredentialsMissing():
            body = error_body("missing_credentials", "send an access token in the Authorization header, as Bearer")
            return _challenging(401, resource.challenge(), body)
        case TokenRefused():
            challenge = resource.challenge('error="invalid_token"', f'error_description="{error.reason}"')
            return _challenging(401, challenge, error_body("invalid_token", error.hint or error.reason))
        case InsufficientScope():
            scope = [f'scope="{error.scope}"'] if error.scope else []
            challenge = resource.challenge('error="insufficient_scope"', *scope)
            return _challenging(403, challenge, error_body("insufficient_scope", str(error)))
        case Unavailable():
            headers = {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"}
            return Refusal(503, headers, error_body("unavailable", "access tokens cannot be verified now"))
    raise error


def _challenging(status: int, challenge: str, body: str) -> Refusal:
    return Refusal(status, {"WWW-Authenticate": challenge, "Cache-Control": "no-store"}, body)
