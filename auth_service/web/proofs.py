"""The header ``DPoP`` of a request, and ``DPoP-Nonce`` of its answer (RFC 9449)."""

from functools import partial

from aiohttp import web
from multidict import istr

from ..errors import AuthError, InvalidDpopProof, UseDpopNonce
from ..use_cases.proofs import Proven
from .addresses import client_address
from .app_keys import PROOFS, SETTINGS

DPOP = istr("DPoP")
NONCE = istr("DPoP-Nonce")
_PROVEN = web.RequestKey("PROVEN", Proven)
_PASSED_OVER = web.RequestKey("PASSED_OVER", AuthError)


def proven_key(request: web.Request, *, tells: bool = True) -> str | None:
    """Return the thumbprint of the key that the request proves; None where it carries no proof.

    *tells*: whether a refusal is an event.

    Raises:
        InvalidDpopProof, UseDpopNonce: it carries one that is not good.
    """
    values = request.headers.getall(DPOP, ())
    if not values:
        return None
    ip = partial(client_address, request)
    proven = request.app[PROOFS].judge(values, method=request.method, path=request.path, ip=ip, tells=tells)
    if proven is None:
        return None
    request[_PROVEN] = proven
    return proven.jkt


def key_of_refresh(request: web.Request) -> str | None:
    """Return the key that a refresh proves; None where it carries no proof.

    With ``AUTH_DPOP=off`` a proof that is not good is passed over, as at the log-in that bound nothing: a client may
    send proofs for an address that nobody has listed. For a session that is bound, :func:`passed_over` has the refusal.

    Raises:
        InvalidDpopProof, UseDpopNonce: it carries one that is not good.
    """
    counts = request.app[SETTINGS].dpop != "off"
    try:
        return proven_key(request, tells=counts)
    except (InvalidDpopProof, UseDpopNonce) as refusal:
        if counts:
            raise
        request[_PASSED_OVER] = refusal
        return None


def passed_over(request: web.Request) -> AuthError | None:
    """Return why the proof of the request was not good, if it was passed over."""
    return request.get(_PASSED_OVER)


def key_to_bind(request: web.Request) -> str | None:
    """Return the key that a session which this request opens is to be bound to, as ``AUTH_DPOP`` has it.

    Raises:
        InvalidDpopProof, UseDpopNonce: the proof is not good, or sessions need one here and there is none.
    """
    policy = request.app[SETTINGS].dpop
    jkt = None if policy == "off" else proven_key(request)
    if jkt is None and policy == "required":
        raise InvalidDpopProof("sessions are bound to a key here: send a proof in the header DPoP")
    return jkt


def with_next_nonce(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Return *response*; to whoever used a nonce with the next, so that none goes stale meanwhile (RFC 9449 §8.2)."""
    proven = request.get(_PROVEN) if DPOP in request.headers else None
    if proven is not None and proven.nonce is not None:
        response.headers[NONCE] = proven.nonce
    return response
