import pytest

from auth_service.errors import StartupError, TooManyAttempts
from auth_service.throttle import Throttle


@pytest.fixture
def throttle() -> Throttle:
    """Two failures a minute for a name, twenty for an address."""
    return Throttle("memory://", 2)


async def fail(throttle: Throttle, name: str, address: str, times: int) -> None:
    """Fail so many times."""
    for _ in range(times):
        await throttle.failed(name, address)


async def test_failures_below_the_limit_are_allowed(throttle: Throttle) -> None:
    """One failure less than the limit stops nobody."""
    await fail(throttle, "zs", "192.0.2.1", 1)

    await throttle.check("zs", "192.0.2.1")


async def test_the_limit_says_when_to_come_back(throttle: Throttle) -> None:
    """At the limit an attempt is refused, with whole seconds until one is allowed."""
    await fail(throttle, "zs", "192.0.2.1", 2)

    with pytest.raises(TooManyAttempts) as caught:
        await throttle.check("zs", "192.0.2.1")
    assert 1 <= (caught.value.retry_after_s or 0) <= 60


async def test_a_stranger_elsewhere_locks_nobody_out(throttle: Throttle) -> None:
    """Failures from another address do not count against the user's own."""
    await fail(throttle, "zs", "192.0.2.1", 2)

    await throttle.check("zs", "192.0.2.2")


async def test_a_success_forgets_the_failures_of_its_name(throttle: Throttle) -> None:
    """Who remembers the password at last starts again at zero."""
    await fail(throttle, "zs", "192.0.2.1", 2)
    await throttle.succeeded("zs", "192.0.2.1")

    await throttle.check("zs", "192.0.2.1")


async def test_a_success_does_not_pardon_its_address(throttle: Throttle) -> None:
    """An attacker with one good account cannot reset the count of an address."""
    for number in range(20):
        await throttle.failed(f"victim {number}", "192.0.2.1")
    await throttle.succeeded("mine", "192.0.2.1")

    with pytest.raises(TooManyAttempts):
        await throttle.check("mine", "192.0.2.1")


@pytest.mark.parametrize(
    ("failing", "other"),
    [
        (("a/192.0.2.1", "192.0.2.2"), ("a", "192.0.2.1")),
        (("a/b", "192.0.2.1"), ("b", "192.0.2.1")),
        (("a", "192.0.2.1"), ("A", "192.0.2.1")),
    ],
)
async def test_names_do_not_run_into_each_other(
    throttle: Throttle, failing: tuple[str, str], other: tuple[str, str]
) -> None:
    """Whatever characters a name has, it counts for itself."""
    await fail(throttle, *failing, 2)

    await throttle.check(*other)


@pytest.mark.parametrize("url", ["", "memory", "mongodb://x", "http://x", "redis", "file:///etc/passwd"])
def test_another_storage_is_named(url: str) -> None:
    """Only memory and Redis count."""
    with pytest.raises(StartupError, match="AUTH_LIMITS_URL"):
        Throttle(url, 1)
