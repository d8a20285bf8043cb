"""DPoP proofs (RFC 9449): read one, and say whether it is good for this request. No I/O.

A proof shows that its sender holds a private key. Here it binds the refresh token alone (§5): access tokens stay bearer
tokens. There is no memory of ``jti``: a request that is sent once more comes with the same refresh token, which the
rotation rule judges, and yields nothing new. Whoever copies proof and token goes on with both while the proof is fresh,
as with the key; rotation finds the two.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic_core import to_json
from yarl import URL

from ..errors import InvalidDpopProof, UseDpopNonce
from .jws import (
    FORBIDDEN_HEADERS,
    LAST_OF_1,
    LAST_OF_2,
    PRIVATE_MEMBERS,
    SEGMENT,
    decoded,
    is_of_low_order,
    read_object,
)

ALGORITHMS: Final = ("ES256", "Ed25519", "EdDSA")
"""``dpop_signing_alg_values_supported`` (§5.1). ``Ed25519`` is the newer name of what is done with ``EdDSA`` here
(RFC 9864 §2.2).
"""
TYPE: Final = "dpop+jwt"  # §4.2
MAX_CHARACTERS: Final = 8 * 1024
MAX_AGE_MS: Final = 300_000
"""How far ``iat`` may differ from this machine's clock, where there is no nonce (§11.1)."""
MAX_JTI_CHARACTERS: Final = 256
NONCE_STEP_MS: Final = 60_000
NONCE_STEPS: Final = 5
"""So many steps a nonce counts, on every replica; as many ahead, for replicas whose clocks differ."""

_KEY_OF: Final = {"ES256": ("EC", "P-256"), "Ed25519": ("OKP", "Ed25519"), "EdDSA": ("OKP", "Ed25519")}
_REQUIRED_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}  # RFC 7638 §3.2, in its order
_P256, _ECDSA, _HALF = SECP256R1(), ECDSA(SHA256()), 32
_UNCOMPRESSED: Final = b"\x04"  # a point by both coordinates: SEC 1 §2.3.4
_SIGNATURE: Final = rf"[\w-]{{84}}{LAST_OF_1}"  # 64 bytes: RFC 7518 §3.4, RFC 8037 §3.1
_COMPACT: Final = re.compile(rf"({SEGMENT})\.({SEGMENT})\.({_SIGNATURE})", re.ASCII)
_IN_URIS: Final = re.compile(r"[!-~]+")
_COORDINATE: Final = re.compile(rf"[\w-]{{40}}{LAST_OF_2}", re.ASCII)  # 32 bytes: RFC 7518 §6.2.1.2, RFC 8037 §2


class Proof(NamedTuple):
    """A proof whose signature is good.

    Attributes:
        jkt: the thumbprint of its key, by which a session is bound to it (RFC 7638).
        htm: the method that it is for.
        htu: the address that it is for.
        issued_at_ms: milliseconds since the epoch.
        nonce: one that this service has issued, or None.
    """

    jkt: str
    htm: str
    htu: str
    issued_at_ms: int
    nonce: str | None


def thumbprint(jwk: dict[str, Any]) -> str:
    """Return the SHA-256 thumbprint of a public key, 43 characters of base64url (RFC 7638 §3)."""
    members = {name: jwk[name] for name in _REQUIRED_MEMBERS[jwk["kty"]]}
    return base64.urlsafe_b64encode(hashlib.sha256(to_json(members)).digest()).rstrip(b"=").decode()


def is_thumbprint(text: str) -> bool:
    """Whether *text* has the form of a SHA-256 thumbprint."""
    return _COORDINATE.fullmatch(text) is not None


def read_proof(values: Sequence[str]) -> Proof | None:
    """Return the proof in the values of the ``DPoP`` header; None without one (§4.3, steps 1 to 7).

    Raises:
        InvalidDpopProof: there are several, or it is none. The message quotes nothing of it.
    """
    if not values:
        return None
    if len(values) > 1:
        raise InvalidDpopProof("there is more than one DPoP header")
    [token] = values
    if len(token) > MAX_CHARACTERS:
        raise InvalidDpopProof("it is too long")
    found = _COMPACT.fullmatch(token)
    if found is None:
        raise InvalidDpopProof("it is not a signed JWT in compact form")
    header, payload, signature = found.groups()
    jwk = _public_key(_object(header))
    _verify(jwk, token[: found.end(2)].encode(), decoded(signature))
    return _proof(thumbprint(jwk), _object(payload))


def _object(segment: str) -> dict[str, Any]:
    try:
        return read_object(decoded(segment))
    except ValueError as problem:
        raise InvalidDpopProof(str(problem)) from None


def _public_key(header: dict[str, Any]) -> dict[str, Any]:
    """Return the key of a header that may be honoured (§4.2)."""
    typ, alg, jwk = header.get("typ"), header.get("alg"), header.get("jwk")
    if not isinstance(typ, str) or typ.lower() != TYPE:
        raise InvalidDpopProof(f"typ is not {TYPE}")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise InvalidDpopProof(f"alg is none of {', '.join(ALGORITHMS)}")
    if not FORBIDDEN_HEADERS.isdisjoint(header):
        raise InvalidDpopProof("it has a header parameter that is never honoured")
    if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != _KEY_OF[alg]:
        raise InvalidDpopProof("jwk is not a key for its alg")
    if not PRIVATE_MEMBERS.isdisjoint(jwk):
        raise InvalidDpopProof("jwk is not a public key")
    public: dict[str, Any] = {name: jwk.get(name) for name in _REQUIRED_MEMBERS[jwk["kty"]]}
    if not all(
        isinstance(public[name], str) and _COORDINATE.fullmatch(public[name]) for name in ("x", "y") if name in public
    ):
        raise InvalidDpopProof("jwk is not a key for its alg")
    if public["kty"] == "OKP" and is_of_low_order(decoded(public["x"])):
        raise InvalidDpopProof("jwk is a key with which anybody can sign")
    return public


def _verify(jwk: dict[str, Any], signing_input: bytes, signature: bytes) -> None:
    # By cryptography itself: in a busy process, what PyJWT does around it would cost a third of the check.
    try:
        if jwk["kty"] == "EC":
            point = _UNCOMPRESSED + decoded(jwk["x"]) + decoded(jwk["y"])
            r, s = int.from_bytes(signature[:_HALF], "big"), int.from_bytes(signature[_HALF:], "big")
            key = EllipticCurvePublicKey.from_encoded_point(_P256, point)
            key.verify(encode_dss_signature(r, s), signing_input, _ECDSA)
        else:
            Ed25519PublicKey.from_public_bytes(decoded(jwk["x"])).verify(signature, signing_input)
    except InvalidSignature:
        raise InvalidDpopProof("its signature was not made by its key") from None
    except ValueError:
        raise InvalidDpopProof("jwk is not a usable key") from None


def _proof(jkt: str, payload: dict[str, Any]) -> Proof:
    jti, iat, nonce = payload.get("jti"), payload.get("iat"), payload.get("nonce")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARACTERS:
        raise InvalidDpopProof(f"jti is missing, or not a string of 1 to {MAX_JTI_CHARACTERS} characters")
    for name in ("htm", "htu"):
        if not isinstance(payload.get(name), str):
            raise InvalidDpopProof(f"{name} is missing")
    if isinstance(iat, bool) or not isinstance(iat, int | float) or not 0 <= iat < 2**53:
        raise InvalidDpopProof("iat is missing, or not a time")
    if nonce is not None and not isinstance(nonce, str):
        raise InvalidDpopProof("nonce is not a string")
    return Proof(jkt, payload["htm"], payload["htu"], int(iat * 1000), nonce)


class Nonces:
    """Nonces without a store: an HMAC over a time step (§8). Every replica that holds the keys accepts them.

    Args:
        macs: HMAC-SHA-256 functions; the first issues, all accept.
    """

    def __init__(self, macs: Sequence[Callable[[bytes], bytes]]) -> None:
        self._macs = macs
        self._step, self._good = -1, tuple[bytes, ...]()

    def issue(self, now: int) -> str:
        """Return the nonce of this moment; *now* in milliseconds since the epoch."""
        return self._of(self._macs[0], now // NONCE_STEP_MS)

    def accepts(self, nonce: str, now: int) -> bool:
        """Whether *nonce* was issued within the last steps, by any replica."""
        sent, step = nonce.encode(errors="replace"), now // NONCE_STEP_MS
        if step != self._step:  # once a step, not once a request
            near = range(step - NONCE_STEPS + 1, step + NONCE_STEPS)
            self._good = tuple(self._of(mac, at).encode() for mac in self._macs for at in near)
            self._step = step
        return any(hmac.compare_digest(good, sent) for good in self._good)

    def _of(self, mac: Callable[[bytes], bytes], step: int) -> str:
        return base64.urlsafe_b64encode(mac(b"dpop nonce %d" % step)[:18]).decode()


def require_good(proof: Proof, *, method: str, addresses: Collection[str], nonces: Nonces, now: int) -> None:
    """Return if *proof* is for this request, and fresh (§4.3, steps 8 to 11).

    Without a nonce its time decides. A stale one is challenged, and from then on the nonce decides: a client whose
    clock is wrong gets in by one repetition.

    Args:
        proof: of the request.
        method: of the request.
        addresses: how the endpoint may be addressed, each by :func:`address`; never taken from ``Host``.
        nonces: of this service.
        now: milliseconds since the epoch.

    Raises:
        InvalidDpopProof: it is for another request.
        UseDpopNonce: it is stale; the error carries the nonce to use.
    """
    if proof.htm != method:
        raise InvalidDpopProof("htm is not the method of this request")
    if proof.htu not in addresses and address(proof.htu) not in addresses:
        raise InvalidDpopProof("htu is not the address of this request")
    if proof.nonce is not None:
        is_fresh = nonces.accepts(proof.nonce, now)
    else:
        is_fresh = abs(now - proof.issued_at_ms) <= MAX_AGE_MS
    if not is_fresh:
        raise UseDpopNonce(nonces.issue(now))


def address(text: str) -> str:
    """Return how an address is compared: normalised (RFC 3986 §6.2.2, §6.2.3), without query and fragment (§4.3).

    Raises:
        InvalidDpopProof: it is none.
    """
    try:
        # It lowers the case of scheme and host, and drops the scheme's own port, dot segments and needless escapes.
        url = URL(text)
    except ValueError:
        raise InvalidDpopProof("htu is not an address") from None
    # What no URI holds (RFC 3986 §2), the parser would drop or write otherwise; an empty user, it drops.
    # The host is not decoded here: that raises an error for an international name that is none.
    if not _IN_URIS.fullmatch(text) or "@" in text or url.scheme not in ("http", "https") or not url.raw_host:
        raise InvalidDpopProof("htu is not an address")
    return str(url.with_query(None).with_fragment(None))
