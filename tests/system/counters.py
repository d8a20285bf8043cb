"""A service's own counters, and whether they add up with what its callers saw.

A request that was hung up on may count or not: nobody can know. Everything else must be equal.
"""

from collections import Counter
from collections.abc import Iterator

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from tests.system.ledger import Ledger

_RENEWED = ("rotated", "caught_up", "retried", "raced")
_REFRESH, _LOGIN, _LOGOUT = "POST /refresh", "POST /login", "POST /logout"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], int]


async def scraped(http: aiohttp.ClientSession, url: URL) -> Samples:
    """Return what ``/metrics`` shows: numbers by name and labels."""
    async with http.get(url / "metrics") as response:
        text = await response.text()
    return {
        (sample.name, frozenset(sample.labels.items())): int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> int:
    """Return the sum of the samples of that name that have these labels, whatever others they have."""
    return sum(number for (of, has), number in samples.items() if of == name and labels.items() <= dict(has).items())


def _differs(what: str, seen: int, counted: int, unknown: int) -> Iterator[str]:
    """Yield a line unless *counted* is *seen*, or more by as many as nobody knows of."""
    if not seen <= counted <= seen + unknown:
        yield f"{what}: {counted} counted, {seen} seen, and of {unknown} nobody knows"


def auth_disagreements(ledger: Ledger, samples: Samples, ended: Counter[str]) -> list[str]:
    """Return one line for each number of the auth service that differs.

    Args:
        ledger: of every request that was sent to it, but for those of services.
        samples: its counters, none of which had begun before.
        ended: sessions by what ended them: ``logout``, ``reuse``.
    """
    return [
        *_requests(ledger, samples),
        *_rotations(ledger, samples),
        *_logins(ledger, samples),
        *_revocations(ledger, samples, ended),
    ]


def _requests(ledger: Ledger, samples: Samples) -> Iterator[str]:
    name = "auth_request_duration_seconds_count"
    counted = Counter[tuple[str, int]]()
    for (of, labels), number in samples.items():
        has = dict(labels)
        if of == name and (call := f"{has['method']} {has['route']}") in {call for call, _ in ledger.answers}:
            counted[call, int(has["status"])] += number
    for call, status in sorted(counted.keys() | ledger.answers.keys()):
        seen = ledger.answers[call, status]
        yield from _differs(f"{call} {status}", seen, counted[call, status], ledger.unknown[call])
    for call in sorted({call for call, _ in ledger.answers}):
        seen = sum(number for (of, _), number in ledger.answers.items() if of == call)
        processed = sum(number for (of, _), number in counted.items() if of == call)
        yield from _differs(call, seen, processed, ledger.unknown[call])


def _rotations(ledger: Ledger, samples: Samples) -> Iterator[str]:
    unknown = ledger.unknown[_REFRESH]
    outcomes = {outcome: total(samples, "auth_rotations_total", outcome=outcome) for outcome in _RENEWED}
    yield from _differs("refreshes granted", ledger.renewals, sum(outcomes.values()), unknown)
    # A rotation that was committed as the database went away was answered 503, and counted as a retry later.
    unsure = unknown + ledger.answers[_REFRESH, 503]
    moved = outcomes["rotated"] + outcomes["caught_up"]
    yield from _differs("generations", moved - unknown, len(ledger.successors), unsure + unknown)
    for reason in ("reused", "revoked", "unknown", "expired"):
        counted = total(samples, "auth_rotations_total", outcome=reason)
        yield from _differs(f"refreshes refused as {reason}", ledger.refusals[reason], counted, unknown)


def _logins(ledger: Ledger, samples: Samples) -> Iterator[str]:
    for outcome, status in (("succeeded", 200), ("refused", 401)):
        counted = total(samples, "auth_logins_total", outcome=outcome)
        yield from _differs(f"log-ins {outcome}", ledger.answers[_LOGIN, status], counted, ledger.unknown[_LOGIN])


def _revocations(ledger: Ledger, samples: Samples, ended: Counter[str]) -> Iterator[str]:
    for reason, call in (("logout", _LOGOUT), ("reuse", _REFRESH)):
        counted = total(samples, "auth_revocations_total", reason=reason)
        # Revoked as the database went away, and answered 503: the repetition found it done, and does not count.
        yield from _differs(f"sessions ended by {reason}", counted, ended[reason], ledger.answers[call, 503])


def resource_disagreements(ledger: Ledger, samples: Samples) -> list[str]:
    """Return one line for each outcome of authentication that the resource service counts otherwise than callers do."""
    unknown = ledger.unknown.total()
    lines: list[str] = []
    for outcome in ("accepted", "expired", "revoked", "invalid", "unavailable", "missing"):
        counted = total(samples, "resource_authentications_total", outcome=outcome)
        lines += _differs(f"access tokens {outcome}", ledger.verdicts[outcome], counted, unknown)
    seen, counted = ledger.verdicts.total(), total(samples, "resource_authentications_total")
    return [*lines, *_differs("requests with access tokens", seen, counted, unknown)]
