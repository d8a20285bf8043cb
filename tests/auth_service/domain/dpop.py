"""DPoP proofs for tests: good ones, and any way of spoiling them."""

import base64
import hashlib
import json
from typing import Any

from jwt import PyJWK

from dualtoken.auth_service.domain.jwk import Jwk, new_jwk, public_jwk
from dualtoken.auth_service.domain.proof import thumbprint

HTU = "https://auth.example/refresh"


def segment(value: object) -> str:
    """Return JSON, or bytes as they are, in base64url."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class ProofMaker:
    """Signs proofs with a key of its own."""

    def __init__(self, algorithm: str = "ES256") -> None:
        self.jwk: Jwk = new_jwk(algorithm)
        self.algorithm = algorithm
        self.public = {name: self.jwk[name] for name in ("kty", "crv", "x", "y") if name in self.jwk}
        self.jkt = thumbprint(public_jwk(self.jwk) or {})

    def header(self, **changes: Any) -> dict[str, Any]:
        """Return the header; a member of None is left out."""
        header = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.public, **changes}
        return {name: value for name, value in header.items() if value is not None}

    def payload(self, now_ms: int, **changes: Any) -> dict[str, Any]:
        """Return the claims; a member of None is left out."""
        jti = hashlib.sha256(f"{now_ms}".encode()).hexdigest()[:22]
        payload = {"jti": jti, "htm": "POST", "htu": HTU, "iat": now_ms // 1000, **changes}
        return {name: value for name, value in payload.items() if value is not None}

    def sign(self, header: object, payload: object) -> str:
        """Return a compact JWS."""
        signing = f"{segment(header)}.{segment(payload)}"
        key = PyJWK(self.jwk)
        return f"{signing}.{segment(key.Algorithm.sign(signing.encode(), key.key))}"

    def proof(self, now_ms: int, **changes: Any) -> str:
        """Return a good proof, but for what *changes* of its claims."""
        return self.sign(self.header(), self.payload(now_ms, **changes))
