"""Proofs of a key (DPoP, RFC 9449), judged before anything is spent."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..domain.clock import Clock
from ..domain.proof import Nonces, address, read_proof, require_good
from ..errors import InvalidDpopProof, UseDpopNonce
from ..events.events import Events
from ..keys.watcher import WatchedKeys


class Proven(NamedTuple):
    """What a request proves.

    ``jkt`` is the thumbprint of its key (RFC 7638). ``nonce`` is the one to use next, where the request used one.
    """

    jkt: str
    nonce: str | None


class Proofs:
    """Judges the ``DPoP`` header of requests to this service.

    Args:
        bases: how this service is addressed: the issuer, and each other address that a proxy gives it, which may end
            with the path of one endpoint. What a request says of its own address is never believed.
        nonces: made from the keys of refresh tokens, so that every replica accepts them.
        events: hears of every refusal.
        clock: milliseconds since the epoch.
    """

    def __init__(self, bases: Sequence[str], nonces: WatchedKeys[Nonces], events: Events, clock: Clock) -> None:
        self._bases = [base.rstrip("/") for base in bases]
        self._nonces, self._events, self._clock = nonces, events, clock
        self._addresses: dict[str, frozenset[str]] = {}

    def judge(
        self, values: Sequence[str], *, method: str, path: str, ip: Callable[[], str], tells: bool = True
    ) -> Proven | None:
        """Return what the values of the ``DPoP`` header prove; None where there is none.

        Args:
            values: of the header.
            method: of the request.
            path: of the request.
            ip: returns the client's address, for the event of a refusal.
            tells: whether a refusal is an event.

        Raises:
            InvalidDpopProof: it is no proof, or one for another request.
            UseDpopNonce: it is stale.
        """
        if not values:
            return None
        now, nonces = self._clock(), self._nonces.current
        try:
            proof = read_proof(values)
            if proof is None:
                return None
            require_good(proof, method=method, addresses=self._addresses_of(path), nonces=nonces, now=now)
        except (InvalidDpopProof, UseDpopNonce) as refusal:
            if tells:
                self._events.proof_refused(refusal.code, str(refusal), ip())
            raise
        return Proven(proof.jkt, nonces.issue(now) if proof.nonce is not None else None)

    def _addresses_of(self, path: str) -> frozenset[str]:
        # The paths are those of this service's own routes: few.
        if path not in self._addresses:
            whole = (base if base.endswith(path) else base + path for base in self._bases)
            self._addresses[path] = frozenset(map(address, whole))
        return self._addresses[path]
