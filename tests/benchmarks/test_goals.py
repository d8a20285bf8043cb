"""How goals are judged."""

from collections import Counter
from dataclasses import asdict

import pytest

from benchmarks import (
    adapter_overhead,
    asgi_ratio,
    bound_ratio,
    claims_ratio,
    client_installation,
    client_overhead,
    cold_home,
    cold_verification,
    expiry,
    import_cost,
    locked_row,
    login_flood,
    logout_latency,
    postgresql_ratio,
    refresh_ratio,
    resource_auth_ratio,
    resource_verifier_memory,
    suite,
)
from benchmarks.goals import SUITE, exit_status, peer_ratio, scripts
from benchmarks.http_load import Load
from benchmarks.ratios import Ratio
from benchmarks.side_by_side import Series
from benchmarks.verdicts import Goal, Missing, figure_in, judge

GOAL = Goal("ours ÷ theirs", 3.0)


def authenticated(**services: float) -> dict[str, list[float]]:
    """Rates of services, each beside its public route at 1,000 a second."""
    rates = {"bare": [1100.0]}
    for name, rate in services.items():
        rates |= {name: [rate], resource_auth_ratio.without(name): [1000.0]}
    return rates


def rotations(number: int, service_s: float) -> Load:
    """Make a turn of one second."""
    return Load(1.0, latencies_s=[0.001] * number, cpu_s={"service": service_s, "load": 0.1})


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """Let each script print figures as it prints its own."""
    resource_auth_ratio.report(authenticated(auth=961.0, feed=955.0))
    cold_home.report("HS256", Ratio(0.81, 0.8, 0.82), Ratio(0.7, 0.1, 0.9))
    for alg, alone in (("EdDSA", 86.0), ("ES256", 84.0)):
        figures = {"dualtoken": [100.0], "PyJWT": [200.0], "joserfc": [150.0], "signature alone": [alone]}
        cold_verification.report(alg, figures)
    cold_verification.report_bytes(548.2)
    resource_verifier_memory.report([1000, 1003, 1002])
    rates = {"refresh": [600.0], "echo on asyncio": [1000.0], "echo on uvloop": [1200.0]}
    refresh_ratio.show(rates)
    refresh_ratio.ratio(rates, "refresh", "echo on asyncio", 0.6)
    refresh_ratio.ratio(rates, "refresh", "echo on uvloop", 0.55)
    sizes = {"10,000 sessions": [1000.0], "10,000,000 sessions": [952.0]}
    refresh_ratio.ratio(sizes, "10,000,000 sessions", "10,000 sessions", 0.9)
    postgresql_ratio.report(
        {
            postgresql_ratio.SQLITE: [rotations(1000, 0.1)],
            postgresql_ratio.ONE: [rotations(800, 0.1)],
            postgresql_ratio.TWO: [rotations(1280, 0.2)],
        }
    )
    locked_row.report([0.01, 0.01], [0.02, 0.02], Counter({503: 1}))
    slow, fast = (Load(1.0, processor_s, latencies_s=[0.1] * many) for many, processor_s in ((530, 1.0), (1000, 0.9)))
    bound_ratio.report({"bound": [slow], "unbound": [fast]}, 65.0)
    claims_ratio.report({"none": [1000.0], "claims": [985.0], "2 KiB": [900.0]})
    adapter_overhead.report(
        {"httpx": ([1000.0], [990.0]), "httpx2": ([1000.0], [980.0]), "requests": ([1000.0], [970.0])}
    )
    asgi_ratio.report({"guarded": [957.0], "open": [1000.0], "claims": [140.0], "pyjwt": [100.0]})
    expiry.report(expiry.Series("", "", refresh_calls=[1, 2], failed=[3, 0], seconds=[0.5, 0.5]), 10_000)
    login_flood.report([0.1, 0.1], [0.107, 0.107])
    logout_latency.report("service 2, worker 2", [0.201])
    logout_latency.report("every worker", [0.231])
    client_overhead.report([1000.0], [971.0])
    import_cost.report({import_cost.AIOHTTP: 0.2, import_cost.PACKAGE: 0.01, "the imports of the five lines": 0.25})
    client_installation.report({"dualtoken", "aiohttp"})
    suite.report(7.5, "2 failed, 9 passed in 3 s", "1 failed, 9 passed, 1 error in 9 s")
    return capsys.readouterr().out


def test_the_figure_of_every_script_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Each script prints its figures in its own words."""
    told = printed(capsys)
    figures = [figure_in(told, before) for script in (*scripts(quick=False), SUITE) for before in script.goals]

    reads = [0.961, 0.955, 0.957, 1.4, 0.81, 0.86, 0.84, 548.0, 1.003]
    rotated = [0.6, 0.5, 0.952, 0.8, 1.6, 2.0, 0.0, 0.53, 0.985]
    promised = [2.0, 3.0, 1.07, 231.0]
    of_the_client = [0.971, 0.99, 0.98, 0.97, 0.05, 1.25, 2.0]
    assert [*reads, *rotated, *promised, *of_the_client, 7.5, 2.0] == [
        figure.median for figure in figures if isinstance(figure, Ratio)
    ]


def test_a_figure_is_read_with_its_interval() -> None:
    """A script that cannot tell has no figure, but says where the true one lies."""
    assert Ratio(0.49, 0.47, 0.5) == figure_in("a ÷ b: median 0.490  95 % 0.470 to 0.500; goal 0.5", "a ÷ b:")
    assert Ratio(0.5, 0.3, 0.7) == figure_in("a ÷ b: cannot tell: 95 % 0.300 to 0.700; goal 0.5", "a ÷ b:")


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(3.1, 5.2, "reached"), (2.1, 3.9, "CANNOT TELL"), (1.1, 2.8, "MISSED")]
)
def test_a_machine_that_is_too_noisy_gives_no_figure(low: float, high: float, verdict: str) -> None:
    """Rounds that differ too much decide only where all of them are on one side of the goal."""
    told = f"{verdict:17}  ours ÷ theirs: between {low:.2f} and {high:.2f}, goal 3"

    assert (verdict, told) == judge(GOAL, Ratio((low + high) / 2, low, high), 0.05)


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (["reached", "left out", "within the margin", "MISSED, as known"], 0),
        (["reached", "CANNOT TELL"], 2),
        (["CANNOT TELL", "MISSED"], 1),
    ],
)
def test_a_machine_that_cannot_tell_is_neither_good_nor_bad(verdicts: list[str], status: int) -> None:
    """The exit status tells a miss from a run that showed nothing."""
    assert status == exit_status(verdicts)


def test_a_script_without_a_figure_has_told_none() -> None:
    """A script that failed is not taken for one that reached its goal."""
    assert Missing("no figure was told") == figure_in("Traceback (most recent call last):", "median")


@pytest.mark.parametrize(("ratio", "verdict"), [(3.0, "reached"), (2.9, "within the margin"), (2.8, "MISSED")])
def test_a_goal_may_be_missed_by_the_margin(ratio: float, verdict: str) -> None:
    """Noise is forgiven, but not called reached; a miss is neither."""
    told = f"{verdict:17}  ours ÷ theirs: {ratio:.2f}, goal 3"

    assert (verdict, told) == judge(GOAL, Ratio(ratio, ratio, ratio), 0.05)


@pytest.mark.parametrize(
    ("milliseconds", "verdict"), [(1000.0, "reached"), (1049.0, "within the margin"), (1051.0, "MISSED")]
)
def test_a_bound_from_above_is_not_exceeded(milliseconds: float, verdict: str) -> None:
    """Of latencies less is better."""
    goal = Goal("latency", 1000, at_most=True)
    told = f"{verdict:17}  latency: {milliseconds:.2f}, goal at most 1000"

    assert (verdict, told) == judge(goal, Ratio(milliseconds, milliseconds, milliseconds), 0.05)


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(3.0, "reached"), (2.5, "MISSED, as known"), (1.9, "MISSED, as known"), (1.8, "MISSED")]
)
def test_a_miss_that_is_told_must_not_grow(ratio: float, verdict: str) -> None:
    """The goal stands beside it; only what is worse than the figure so far, less the margin, fails the check."""
    told = f"{verdict:17}  ours ÷ theirs: {ratio:.2f}, goal 3, 2 so far"

    assert (verdict, told) == judge(Goal("ours ÷ theirs", 3.0, known=2.0), Ratio(ratio, ratio, ratio), 0.05)


def test_a_quick_run_names_what_it_measured() -> None:
    """What is measured on a smaller scale is not told as the goal of the design."""
    whole, quick = ({goal.what for each in scripts(quick=how) for goal in each.goals.values()} for how in (False, True))

    table = "durable POST /refresh with 1,000,000 sessions ÷ with 10,000"
    assert {table, "memory after 500,000 tokens ÷ after the first tenth"} == quick - whole


def test_only_a_peer_that_cannot_be_had_excuses_a_goal() -> None:
    """A goal is left out where its peer cannot be installed; whatever else kept it from being measured fails it."""
    left_out = judge(GOAL, Missing("no Node.js", excused=True), 0.05)
    failed = judge(GOAL, Missing("no figure was told"), 0.05)

    assert ("left out", "left out           ours ÷ theirs: no Node.js") == left_out
    assert ("FAILED", "FAILED             ours ÷ theirs: no figure was told") == failed


def series(
    name: str, *per_cpu_second: float, left_out: str | None = None, failure: str | None = None
) -> dict[str, object]:
    """Make what the run side by side wrote of one server."""
    return asdict(Series(name, "", [], list(per_cpu_second), left_out=left_out, failure=failure))


def test_ratios_are_of_the_same_round() -> None:
    """Each of our rounds is divided by the peer's round beside it."""
    figures = {"refresh": [series("dualtoken", 100.0, 300.0, 50.0), series("peer", 50.0, 100.0, 50.0)]}

    assert Ratio(2.0, 1.0, 3.0) == peer_ratio(figures, "peer")


def test_a_peer_that_failed_is_told_apart_from_one_that_cannot_be_had() -> None:
    """Figures of half a run are none, and no excuse."""
    ours = series("dualtoken", 100.0)
    failed = peer_ratio({"refresh": [ours, series("peer", failure="under load: reset")]}, "peer")
    left_out = peer_ratio({"refresh": [ours, series("peer", left_out="no Node.js")]}, "peer")

    assert Missing("peer failed: under load: reset") == failed
    assert Missing("no Node.js", excused=True) == left_out


@pytest.mark.parametrize("why", [{"failure": "under load: reset"}, {"left_out": "no Python"}])
@pytest.mark.parametrize("peer", [{}, {"left_out": "no Node.js"}])
def test_no_peer_excuses_our_own_failure(why: dict[str, str], peer: dict[str, str]) -> None:
    """Without figures of ours, no goal beside a peer is held, whether the peer can be had or not."""
    figures = {"refresh": [series("dualtoken", **why), series("peer", 50.0, **peer)]}

    missing = peer_ratio(figures, "peer")

    assert isinstance(missing, Missing)
    assert not missing.excused


@pytest.mark.parametrize(
    ("calls", "failed", "held"), [([1, 1], [0, 0], True), ([1, 2], [0, 0], False), ([1, 1], [0, 1], False)]
)
def test_one_round_of_an_expiry_that_goes_wrong_is_a_miss(calls: list[int], failed: list[int], held: bool) -> None:
    """The worst of all rounds counts: a second refresh would have ended the session."""
    assert held is expiry.report(expiry.Series("", "", calls, failed, [0.1, 0.1]), 10)


def test_an_expiry_without_figures_is_a_miss() -> None:
    """A client that broke down has not kept its promise."""
    assert not expiry.report(expiry.Series("dualtoken", "", failure="no answer"), 10)


def test_the_worse_of_both_services_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """Authentication reaches its goal only where a service that follows revocations does, too."""
    assert 0.9 == resource_auth_ratio.report(authenticated(auth=960.0, feed=900.0))
    assert "goal 0.95: missed" in capsys.readouterr().out
