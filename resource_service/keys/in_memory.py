"""Keys held by the application: for tests, and for applications that fetch keys themselves."""

import json
from collections.abc import Mapping
from typing import Any

from ..errors import KeySetRefused
from ..verification.jwk_set import KeySet, parse_jwk_set

LOOK_INTERVAL_S = 3600.0


class InMemory:
    """One set, for ever.

    Args:
        keys: a JWK Set (RFC 7517 §5) as JSON has it, or one that was read.

    Raises:
        ValueError: the set is malformed, or holds no usable key.
    """

    local = True
    name = "memory"
    interval_s = LOOK_INTERVAL_S

    def __init__(self, keys: Mapping[str, Any] | KeySet) -> None:
        self._keys = keys if isinstance(keys, KeySet) else _read(keys)

    async def fetch(self) -> KeySet:
        """Return the set."""
        return self._keys


def _read(keys: Mapping[str, Any]) -> KeySet:
    try:
        return parse_jwk_set(json.dumps(dict(keys)).encode())
    except (KeySetRefused, TypeError) as error:
        # The encoder's own errors name types, never values.
        raise ValueError(f"keys: {error}") from None
