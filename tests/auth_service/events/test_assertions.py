"""What is told of assertions and of their issuers' keys."""

import pytest
from prometheus_client import CollectorRegistry

from dualtoken.auth_service.events.assertions import AssertionEvents


@pytest.mark.usefixtures("stopped")
def test_a_flood_of_refusals_leaves_one_line_for_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """In a second. The counter has them all."""
    registry = CollectorRegistry()
    events = AssertionEvents(registry)
    for _ in range(100):
        for ip in ("192.0.2.1", "2001:db8::1", "2001:db8::2"):
            events.refused("forged", "https://issuer.example", ip)
        events.keys_refused("https://issuer.example", "no answer")
    lines = capsys.readouterr().out

    assert 2 == lines.count("assertion.refused")
    assert 1 == lines.count("issuer.keys_refused")
    assert 300 == registry.get_sample_value("auth_assertion_refusals_total", {"reason": "forged"})


def test_keys_are_told_when_they_change(capsys: pytest.CaptureFixture[str]) -> None:
    """Not at each fetch; after a failure anew."""
    events = AssertionEvents(CollectorRegistry())
    for kids in (["a"], ["a"], ["a", "b"]):
        events.keys_fetched("https://issuer.example", kids, ())
    events.keys_refused("https://issuer.example", "no answer")
    events.keys_fetched("https://issuer.example", ["a", "b"], ())

    assert 3 == capsys.readouterr().out.count("issuer.keys_fetched")
