import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from dualtoken.auth_service.domain.jwk import Jwk
from dualtoken.auth_service.errors import StartupError
from dualtoken.auth_service.keys import jwk_file, watcher
from dualtoken.auth_service.keys.watcher import WatchedKeys
from tests.deadline import HANGS_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a key file may be."""
    return tmp_path / "keys" / "access.jwks.json"


class Watch:
    """A key file that is followed, on a clock that stands still."""

    def __init__(self, path: Path) -> None:
        self.path = path
        jwk_file.create(path)
        self.keys = WatchedKeys(path, lambda found: [key["kid"] for key in found])


@pytest.fixture
def watch(path: Path) -> Watch:
    """A file with one key, read once."""
    return Watch(path)


def test_a_changed_file_is_read_again(watch: Watch) -> None:
    """New keys are there after the next look, and only a change is news."""
    kid = jwk_file.rotate(watch.path)

    assert watch.keys.look()
    assert kid == watch.keys.current[0]
    assert not watch.keys.look()


@pytest.mark.parametrize("damage", [b"not json", b"", None])
def test_a_broken_file_keeps_the_last_good_keys(watch: Watch, damage: bytes | None) -> None:
    """A damaged or missing file is an error in the log, not an outage; once mended, it counts again."""
    before = watch.keys.current
    good = watch.path.read_bytes()
    if damage is None:
        watch.path.unlink()
    else:
        watch.path.write_bytes(damage)
    with capture_logs() as logs:
        assert not watch.keys.look()

    assert before == watch.keys.current
    assert ["keys.reload_failed"] == [entry["event"] for entry in logs]
    watch.path.write_bytes(good + b"\n")
    watch.path.chmod(0o600)
    assert watch.keys.look()


def test_a_file_that_is_closed_to_others_again_is_read(watch: Watch) -> None:
    """What the log asks the operator to do is enough: nothing in the file has to change."""
    kid = jwk_file.rotate(watch.path)
    watch.path.chmod(0o644)
    assert not watch.keys.look()
    watch.path.chmod(0o600)

    assert watch.keys.look()
    assert kid == watch.keys.current[0]


class Flaky:
    """Builds from keys, or fails as a test says."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.builds = 0

    def __call__(self, found: list[Jwk]) -> list[str]:
        """Return the kids."""
        self.builds += 1
        if self.failure is not None:
            raise self.failure
        return [key["kid"] for key in found]


@pytest.mark.parametrize("failure", [StartupError("cannot read the key file"), OSError(24, "secret"), RecursionError()])
def test_a_failure_that_passes_is_no_end(path: Path, failure: Exception) -> None:
    """A new file that could not be read once is read at the next second's look; the log says it once, quoting nothing.

    Refused tokens alone never make it be read again.
    """
    jwk_file.create(path)
    build = Flaky()
    watched = WatchedKeys(path, build)
    kid = jwk_file.rotate(path)
    build.failure = failure
    with capture_logs() as logs:
        assert not watched.look()
        assert not watched.look()
        assert not watched.look(insist=True)
    tries = build.builds - 1
    build.failure = None

    assert 2 == tries
    assert ["keys.reload_failed"] == [entry["event"] for entry in logs]
    assert "secret" not in logs[0]["problem"]
    assert watched.look(insist=True)
    assert kid == watched.current[0]


async def test_the_watch_outlives_a_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on to look, and reads the file when it can."""
    monkeypatch.setattr(watcher, "_LOOK_INTERVAL_S", 0.001)
    jwk_file.create(path)
    build, failed, done = Flaky(), asyncio.Event(), asyncio.Event()

    def watched_build(found: list[Jwk]) -> list[str]:
        if build.failure:
            failed.set()
        kids = build(found)
        done.set()
        return kids

    watched = WatchedKeys(path, watched_build)
    done.clear()
    build.failure = RuntimeError("a bug")
    jwk_file.rotate(path)
    task = asyncio.create_task(watched.watch())
    await asyncio.wait_for(failed.wait(), HANGS_S)
    build.failure = None
    await asyncio.wait_for(done.wait(), HANGS_S)
    task.cancel()

    assert 2 == len(watched.current)


def test_what_is_refused_is_read_with_new_keys(watch: Watch) -> None:
    """A refusal makes the file be looked at, at once; without a change it stands, and the file is not read again."""
    kid = jwk_file.rotate(watch.path)
    assert 0 == watch.keys.read(lambda kids: kids.index(kid), ValueError)

    known = watch.keys.current
    with pytest.raises(ValueError, match="unknown"):
        watch.keys.read(lambda kids: kids.index("unknown"), ValueError)
    assert known is watch.keys.current
