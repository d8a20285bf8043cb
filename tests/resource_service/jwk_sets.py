"""JWK Sets as bytes."""

import json
from typing import Any


def jwk_set(*jwks: dict[str, Any]) -> bytes:
    """Make a JWK Set."""
    return json.dumps({"keys": jwks}).encode()
