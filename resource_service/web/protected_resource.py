"""The metadata for refused clients (RFC 9728). Independent of any framework."""

import json
import re

from yarl import URL

WELL_KNOWN = "/.well-known/oauth-protected-resource"
METADATA_HEADERS = {"Content-Type": "application/json", "Cache-Control": "public, max-age=3600"}
"""Of the metadata. They change as seldom as an issuer does."""
QUOTABLE = re.compile(r'[^\x00-\x1f\x7f"\\]*')
"""What a quoted-string can hold without escapes (RFC 9110 §5.6.4)."""


class ProtectedResource:
    """What challenges say of a resource, and where a client finds more.

    Args:
        name: its identifier, that tokens are issued for.
        issuer: who issues them.
        realm: names the protection space (RFC 9110 §11.5); *name*, unless given.

    Attributes:
        metadata_url: where :attr:`metadata` belongs; None for a name that has no such place.
        metadata: where tokens for it come from, as JSON (RFC 9728 §2).
        is_served: whether it stands there.

    Raises:
        ValueError: *realm* cannot be quoted.
    """

    def __init__(self, name: str, issuer: str, realm: str | None = None) -> None:
        self.realm = name if realm is None else realm
        if not QUOTABLE.fullmatch(self.realm):
            raise ValueError("realm must not hold quotes, backslashes or control characters")
        self.metadata_url = _metadata_url(name)
        self.is_served = self.metadata_url is not None
        document = {"resource": name, "authorization_servers": [issuer], "bearer_methods_supported": ["header"]}
        self.metadata = json.dumps(document).encode()

    def challenge(self, *parameters: str) -> str:
        """Make the value of a ``WWW-Authenticate`` header (RFC 6750 §3, RFC 9728 §5.1)."""
        metadata = [f'resource_metadata="{self.metadata_url}"'] if self.is_served else []
        return "Bearer " + ", ".join([f'realm="{self.realm}"', *parameters, *metadata])


def _metadata_url(name: str) -> URL | None:
    """Return where the metadata of a resource belongs: the well-known path goes before its own (RFC 9728 §3.1).

    None if its name is no http(s) URL, which a resource with metadata must have (§1.2), or not one of a path alone.
    """
    try:
        url = URL(name)
    except ValueError:
        return None
    if url.scheme not in {"http", "https"} or not url.host or url.query_string or url.fragment or url.user:
        return None
    return url.with_path(WELL_KNOWN + url.raw_path.removesuffix("/" if url.path == "/" else ""), encoded=True)
