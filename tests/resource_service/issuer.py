"""Keys and access tokens as the auth service makes them, and as a forger would like to."""

import base64
import json
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "http://localhost:8001"
AUDIENCE = "http://localhost:8002"
NOW = 1_800_000_000
SID = "c2Vzc2lvbi1vZi16cy0wMQ"
TTL_S = 3600


def b64(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A signing key; ``jwk`` is what a verifier gets, ``private_jwk`` what the issuer keeps."""

    def __init__(
        self, kid: str = "k1", alg: str = "HS256", *, seed: bytes = b"a shared key of 32 bytes, at least"
    ) -> None:
        self.kid, self.alg = kid, alg
        algorithm = jwt.get_algorithm_by_name(alg)
        self.private: Any = seed if alg == "HS256" else _private_key(alg)
        public = seed if alg == "HS256" else self.private.public_key()
        names = {"alg": alg, "use": "sig", "kid": kid}
        self.jwk: dict[str, Any] = json.loads(algorithm.to_jwk(public)) | names
        self.private_jwk: dict[str, Any] = json.loads(algorithm.to_jwk(self.private)) | names
        self.jwk.pop("key_ops", None)
        self.private_jwk.pop("key_ops", None)

    @property
    def public_pem(self) -> bytes:
        """The public half as a forger finds it."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        pem: bytes = self.private.public_key().public_bytes(encoding, form)
        return pem

    def sign(self, header: dict[str, Any] | bytes, payload: dict[str, Any] | bytes) -> str:
        """Sign whatever is given, as it is."""
        parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
        signing_input = ".".join(b64(part) for part in parts)
        signature = jwt.get_algorithm_by_name(self.alg).sign(signing_input.encode(), self.private)
        return f"{signing_input}.{b64(signature)}"

    def header(self, **changes: Any) -> dict[str, Any]:
        """A good header; a change of None leaves the parameter out."""
        return _changed({"typ": "at+jwt", "alg": self.alg, "kid": self.kid}, changes)

    def token(self, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """A token with good claims, but for *changes*; a change of None leaves the claim out."""
        return self.sign(self.header(**(header or {})), claims(**changes))


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims, but for *changes*; a change of None leaves the claim out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user-1",
        "sid": SID,
        "client_id": "dualtoken",
        "iat": NOW,
        "exp": NOW + TTL_S,
        "jti": "token-1",
        "scope": "read write",
        "username": "zs",
        "email": "zs@example.com",
    }
    return _changed(good, changes)


def write_keys(path: Path, *keys: Key | dict[str, Any], mode: int = 0o600) -> Path:
    """Write a JWK Set as the auth service does: a new file in place of the old one, at once."""
    members = [key.private_jwk if isinstance(key, Key) else key for key in keys]
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps({"keys": members}))
    new.chmod(mode)
    return new.replace(path)


def _private_key(alg: str) -> Any:
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (members | changes).items() if value is not None}
