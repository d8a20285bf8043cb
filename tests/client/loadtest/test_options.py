"""What a load test refuses to begin with."""

from dataclasses import replace
from pathlib import Path

import pytest

from dualtoken.client.errors import ConfigurationError
from dualtoken.client.loadtest.options import Options, Scenario, check_writable, share

GOOD = Options("http://127.0.0.1:8001", "http://127.0.0.1:8002", "zs")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("users", "--users"),
        ("concurrency", "--concurrency"),
        ("duration_s", "--duration"),
        ("expire_every_s", "--expire-every"),
        ("rate", "--rate"),
        ("timeout_s", "--timeout"),
        ("body_bytes", "--body-bytes"),
    ],
)
def test_nothing_is_not_a_number_of_anything(name: str, option: str) -> None:
    """0 of anything is refused by the name of its option."""
    with pytest.raises(ConfigurationError, match=rf"^{option} must be more than 0, not 0$"):
        replace(GOOD, **{name: 0})


@pytest.mark.parametrize(("duration", "requests"), [(None, None), (1.0, 1)])
def test_either_time_or_number_ends_a_run(duration: float | None, requests: int | None) -> None:
    """A run ends by time or by number: not by both, not by neither."""
    with pytest.raises(ConfigurationError, match="--duration or --requests"):
        replace(GOOD, duration_s=duration, requests=requests)


@pytest.mark.parametrize("url", ["nonsense", "http://203.0.113.7:8002", "ftp://127.0.0.1"])
def test_an_address_that_exposes_tokens_is_refused(url: str) -> None:
    """Tokens go to https, or to this machine."""
    with pytest.raises(ConfigurationError):
        replace(GOOD, api_url=url)


def test_one_session_has_one_refresh_at_a_time() -> None:
    """Refreshes run side by side only for different users."""
    options = replace(GOOD, scenario=Scenario.REFRESH, users=3, concurrency=50)

    assert 3 == options.lanes


@pytest.mark.parametrize(("users", "requests", "expected"), [(100, None, 8), (3, None, 3), (100, 2, 2)])
def test_no_process_without_work(users: int, requests: int | None, expected: int) -> None:
    """Every process has a session and a request of its own."""
    options = replace(
        GOOD, users=users, requests=requests, duration_s=None if requests else 1.0, processes=8, concurrency=50
    )

    assert expected == options.workers()


def test_cores_of_others_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process for every two cores that this one may use, of however many there are."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)

    assert 3 == replace(GOOD, processes=0).workers()


def test_shares_are_nearly_equal_and_complete() -> None:
    """Parts of the work differ by one at most, and nothing is lost."""
    shares = [share(10, 4, part) for part in range(4)]

    assert (10, 2, 3) == (sum(shares), min(shares), max(shares))


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Whether a report can be written is known before the run."""
    with pytest.raises(ConfigurationError, match="cannot be written: No such file"):
        check_writable(tmp_path / "missing" / "report.html")


def test_the_check_of_a_path_leaves_no_trace(tmp_path: Path) -> None:
    """A report that is there is kept until there is a new one; none is made up."""
    old, new = tmp_path / "old.html", tmp_path / "new.html"
    old.write_text("old")
    for path in (old, new):
        check_writable(path)

    assert ("old", False) == (old.read_text(), new.exists())
