"""What clients saw of their refresh tokens, and whether it could have been a service that loses nobody.

A black box: tokens are text, nothing is decoded. Each client tells what it presented and what came back; the checker
then looks for a history that the rotation rule does not allow.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rotated:
    """*presented* was answered with *successor*. ``seen`` is False if the answer was dropped on its way."""

    presented: str
    successor: str
    seen: bool = True


@dataclass(frozen=True, slots=True)
class Refused:
    """An honest client was told that its session is over, or something that no client can act on."""

    client: str
    presented: str
    answer: str


@dataclass(frozen=True, slots=True)
class Settled:
    """After the storm, a client presented the token it held and was answered."""

    client: str
    presented: str
    successor: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """A thief presented a spent token of the client's session, without its key: the status and reason he got.

    Of a session that is bound he did so before the client settled, of others after.
    """

    client: str
    presented: str
    status: int
    reason: str


Event = Rotated | Refused | Settled | Replayed


@dataclass
class History:
    """The events of one run, in order, the token that each client began with, and whose sessions are bound to a key."""

    first: dict[str, str] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def rotated(self, presented: str, successor: str) -> None:
        """Record an answer that arrived."""
        self.counts["rotations"] += 1
        self.events.append(Rotated(presented, successor))

    def dropped(self, request: bytes, answer: bytes) -> None:
        """Record an answer that the proxy withheld: a promise, though nobody heard it."""
        self.counts["dropped answers"] += 1
        successor = _body(answer)["refresh_token"]
        self.events.append(Rotated(_body(request)["refresh_token"], successor, seen=False))

    def refused(self, client: str, presented: str, answer: str) -> None:
        """Record that an honest client was turned away."""
        self.events.append(Refused(client, presented, answer))

    def spent_token(self, client: str) -> str:
        """Return the token before the last of a client's chain: what a thief may have copied."""
        chain = list(_chain(self.first[client], _successors(self.events)))
        return chain[-2]


def _body(message: bytes) -> dict[str, str]:
    body: dict[str, str] = json.loads(message.partition(b"\r\n\r\n")[2])
    return body


def violations(events: Sequence[Event], first: Mapping[str, str], bound: Collection[str] = ()) -> list[str]:
    """Return one line for each way in which the history breaks the promise; none is the proof.

    Args:
        events: in the order in which they were seen.
        first: for each client, the token that it began with.
        bound: the clients whose sessions are bound to a key.
    """
    return [
        *_turned_away(events),
        *_forks(events),
        *_strays(events, first),
        *_unsettled(events, first),
        *_thieves(events, first, bound),
    ]


def _turned_away(events: Iterable[Event]) -> list[str]:
    """Nobody is logged out."""
    return [f"{event.client} was turned away: {event.answer}" for event in events if isinstance(event, Refused)]


def _forks(events: Sequence[Event]) -> list[str]:
    """A token has one successor, however often it is asked for, and answers that nobody heard count."""
    successors = _successors(events)
    forked = [f"a token has {len(found)} successors" for found in successors.values() if len(found) > 1]
    predecessors: dict[str, set[str]] = defaultdict(set)
    for token, found in successors.items():
        for successor in found:
            predecessors[successor].add(token)
    return forked + [f"{len(found)} tokens share a successor" for found in predecessors.values() if len(found) > 1]


def _strays(events: Sequence[Event], first: Mapping[str, str]) -> list[str]:
    """Whatever was answered lies on the one chain that begins with the client's first token."""
    successors = _successors(events)
    on_chains = {token for start in first.values() for token in _chain(start, successors)}
    strays = {token for token in successors if token not in on_chains}
    return [f"{len(strays)} answered tokens lie on no chain"] if strays else []


def _unsettled(events: Sequence[Event], first: Mapping[str, str]) -> list[str]:
    """What was answered last is accepted later: it was durable."""
    lines = []
    settled = {event.client: event for event in events if isinstance(event, Settled)}
    successors = _successors([event for event in events if isinstance(event, Rotated)])
    for client, start in first.items():
        *_, tip = _chain(start, successors)
        if client not in settled:
            lines.append(f"{client} did not settle")
        elif settled[client].presented != tip:
            lines.append(f"{client} settled with another token than the one answered last")
    return lines


def _thieves(events: Sequence[Event], first: Mapping[str, str], bound: Collection[str]) -> list[str]:
    """A predecessor of what was answered never starts a second branch; that of a bound session does nothing at all."""
    replays = {event.client: event for event in events if isinstance(event, Replayed)}
    lines = [f"nobody replayed a token of {client}" for client in first if client not in replays]
    for client, replay in replays.items():
        if (replay.status, replay.reason) != (400, "unproven" if client in bound else "reused"):
            lines.append(f"a spent token of {client} was answered with {replay.status} {replay.reason}".rstrip())
    return lines


def _successors(events: Iterable[Event]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if isinstance(event, Rotated | Settled):
            found[event.presented].add(event.successor)
    return dict(found)


def _chain(start: str, successors: Mapping[str, set[str]]) -> Iterable[str]:
    """Yield the tokens from *start* on, up to the end, to a fork, or to a token that comes again."""
    seen: set[str] = set()
    token: str | None = start
    while token is not None and token not in seen:
        yield token
        seen.add(token)
        found = successors.get(token, set())
        token = next(iter(found)) if len(found) == 1 else None
