"""An honest client, as small as it can be: it keeps its token and the Idempotency-Key of the refresh that it has begun.

One whose session is bound keeps the token alone: that it is the same client is proven by its key.
"""

import asyncio
import random
from dataclasses import dataclass

import aiohttp
from yarl import URL

from dualtoken.auth_service.domain.clock import wall_clock
from tests.auth_service.domain.dpop import ProofMaker
from tests.deadline import HANGS_S
from tests.system.history import History, Settled

# Longer than the service takes at its worst: who gives up earlier may meet his own request again.
TIMEOUT = aiohttp.ClientTimeout(total=HANGS_S)
HTU = "http://localhost:8001/refresh"  # at the default AUTH_ISSUER, wherever the service listens
# The connection broke, before the answer or within it.
NO_ANSWER = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """What ``POST /refresh`` said. ``retry_after`` and ``nonce`` are headers."""

    status: int
    error: str = ""
    reason: str = ""
    retry_after: str = ""
    successor: str = ""
    nonce: str = ""


UNAVAILABLE = Answer(503, "unavailable", retry_after="1")


async def present(
    http: aiohttp.ClientSession,
    url: str | URL,
    token: str,
    key: str | None = None,
    timeout: aiohttp.ClientTimeout = TIMEOUT,  # noqa: ASYNC109 - the library's own, for one request
    *,
    proof: str | None = None,
) -> Answer:
    """Present a refresh token once.

    Raises:
        aiohttp.ClientError, TimeoutError: no answer, or a part of one.
    """
    headers = {name: value for name, value in (("Idempotency-Key", key), ("DPoP", proof)) if value is not None}
    async with http.post(f"{url}/refresh", json={"refresh_token": token}, headers=headers, timeout=timeout) as response:
        body = await response.json()
        retry_after, nonce = (response.headers.get(name, "") for name in ("Retry-After", "DPoP-Nonce"))
    members = (body.get("error", ""), body.get("reason", ""), retry_after, body.get("refresh_token", ""), nonce)
    return Answer(response.status, *members)


@dataclass(frozen=True, slots=True)
class Journal:
    """What a client has on disk: the token, and the Idempotency-Key of a refresh that may be under way."""

    token: str
    key: str | None = None


class TurnedAway(Exception):
    """The service says that the session is over, or something that the contract does not know."""


class HonestClient:
    """Refreshes along one chain.

    Args:
        name: what the history calls it.
        token: the refresh token that it begins with.
        url: the auth service.
        http: shared with other clients.
        history: told of every answer.
        rng: makes keys, pauses and crashes.
        forgetful: how probable it is to crash after an answer came and before it was saved.
        proofs: of the key that the session is bound to, if it is.
    """

    def __init__(
        self,
        name: str,
        token: str,
        url: str,
        http: aiohttp.ClientSession,
        history: History,
        rng: random.Random,
        forgetful: float = 0.0,
        proofs: ProofMaker | None = None,
    ) -> None:
        self.name, self.journal, self.turned_away = name, Journal(token), False
        self._url, self._http, self._history, self._rng, self._forgetful = url, http, history, rng, forgetful
        self._proofs = proofs
        history.first[name] = token
        if proofs is not None:
            history.bound.add(name)

    async def refresh(self) -> None:
        """Refresh until it is answered; the same token, and Idempotency-Key if there is one, is presented until then.

        Raises:
            TurnedAway: and the history says so.
        """
        token = self.journal.token
        key = self.journal.key or self._new_key()
        self.journal = Journal(token, key)  # before the request leaves
        while True:
            successor = await self._asked_until_answered(token, key)
            self._history.rotated(token, successor)
            if self._rng.random() >= self._forgetful:
                self.journal = Journal(successor)
                return
            # Crashed before the answer was saved, and started again with the old journal.
            self._history.counts["crashed clients"] += 1

    def _new_key(self) -> str | None:
        return f"{self._rng.getrandbits(64):016x}" if self._proofs is None else None

    async def _asked_until_answered(self, token: str, key: str | None) -> str:
        pause = _FIRST_PAUSE_S
        while True:
            successor = await self._ask(token, key)
            if successor is not None:
                return successor
            self._history.counts["retries"] += 1
            await asyncio.sleep(pause * self._rng.uniform(0.5, 1))
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _ask(self, token: str, key: str | None) -> str | None:
        """Return the successor, or None if it is not known what happened or nothing did."""
        try:
            proof = self._proofs and self._proofs.proof(wall_clock(), htu=HTU)
            answer = await present(self._http, self._url, token, key, proof=proof)
        except NO_ANSWER:
            return None
        except aiohttp.ClientError as exc:  # an answer, but none of this contract
            raise self._turned_away(token, repr(exc)) from exc
        if answer.status == 200:
            return answer.successor
        if answer == UNAVAILABLE:
            return None
        raise self._turned_away(token, str(answer))

    def _turned_away(self, token: str, answer: str) -> TurnedAway:
        self.turned_away = True
        self._history.refused(self.name, token, answer)
        return TurnedAway(answer)

    async def settle(self) -> None:
        """Refresh once more in calm: the token that was answered last must be good."""
        presented = self.journal.token
        if self.journal.key is not None:
            # The storm ended in the middle of a refresh.
            await self.refresh()
            presented = self.journal.token
        successor = await self._asked_until_answered(presented, self._new_key())
        self.journal = Journal(successor)
        self._history.events.append(Settled(self.name, presented, successor))
