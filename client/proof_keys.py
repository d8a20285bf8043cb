"""Keys to which a session can be bound (DPoP, RFC 9449): its refresh token alone is then worthless to a thief."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from .errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_COORDINATE_BYTES: Final = 32  # of P-256 (RFC 7518 §6.2.1.2), and of each half of a signature (§3.4)


class ProofKey(Protocol):
    """A private key that signs proofs. It may be unreadable: in a TPM, an HSM, a key store.

    Attributes:
        algorithm: ``ES256`` (RFC 7518 §3.1), or ``Ed25519`` (RFC 9864 §2.2) by this name or its older one, ``EdDSA``.
        public_jwk: the members of the public key that RFC 7638 §3.2 names: ``kty``, ``crv``, ``x``, and ``y`` of EC.
    """

    @property
    def algorithm(self) -> str:
        """The algorithm of its signatures."""

    @property
    def public_jwk(self) -> Mapping[str, str]:
        """Its public half."""

    async def sign(self, message: bytes) -> bytes:
        """Return the signature as JWS has it: 64 bytes for both algorithms (RFC 7518 §3.4, RFC 8037 §3.1).

        Raises:
            StorageError: the key cannot be used.
        """


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the SHA-256 thumbprint of a public key (RFC 7638), which identifies it at the auth service."""
    text = json.dumps(dict(jwk), separators=(",", ":"), sort_keys=True)
    return encoded(hashlib.sha256(text.encode()).digest())


def key_path(token_file: Path) -> Path:
    """Return the path of the key of the sessions in a token file: beside the file itself, with links resolved."""
    place = token_file.resolve()
    return place.with_name(f"{place.name}.dpop.pem")


def encoded(data: bytes) -> str:
    """Return base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class MemoryProofKey:
    """A P-256 key that lives as long as this process: a restart needs a new login.

    Raises:
        ConfigurationError: the extra ``dualtoken[dpop]`` is missing.
    """

    algorithm = "ES256"

    def __init__(self) -> None:
        self._use(_ec().generate_private_key(_ec().SECP256R1()))

    def _use(self, private: "EllipticCurvePrivateKey") -> None:
        self._private = private
        numbers = private.public_key().public_numbers()
        x, y = (encoded(number.to_bytes(_COORDINATE_BYTES, "big")) for number in (numbers.x, numbers.y))
        self.public_jwk: Mapping[str, str] = {"crv": "P-256", "kty": "EC", "x": x, "y": y}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({thumbprint(self.public_jwk)})"

    async def sign(self, message: bytes) -> bytes:
        """Return the signature: r and s, 32 bytes each."""
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        r, s = decode_dss_signature(self._private.sign(message, _ec().ECDSA(SHA256())))
        return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")


def read_pem(pem: bytes, where: object) -> "EllipticCurvePrivateKey":
    """Return the private key of a PEM text.

    Args:
        pem: the text.
        where: it lies, for the message; what it holds is never quoted.

    Raises:
        StorageError: it is no P-256 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise StorageError(f"{where} holds no key: remove it and log in again") from None
    if not isinstance(key, _ec().EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise StorageError(f"{where} holds no P-256 key: remove it and log in again")
    private: EllipticCurvePrivateKey = key
    return private


def new_pem() -> bytes:
    """Return a new P-256 key as PEM (PKCS #8), not encrypted.

    Raises:
        ConfigurationError: the extra ``dualtoken[dpop]`` is missing.
    """
    ec = _ec()
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem: bytes = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return pem


def _ec() -> Any:
    """Return the module of elliptic curves, of an extra."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise ConfigurationError("a session bound to a key needs an extra: pip install 'dualtoken[dpop]'") from None
    return ec
