"""The keys that forgers of this suite do not have, and the shape of what they make."""

from tests.resource_service.issuer import Key

Forgery = tuple[str, str]
"""A name and a token."""

SHARED = Key("shared", "HS256")
PUBLIC = Key("rsa", "RS256")
CURVE = Key("ec", "ES256")
EDWARDS = Key("ed", "EdDSA")
KEYS = (SHARED, PUBLIC, CURVE, EDWARDS)
