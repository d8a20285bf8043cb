"""A shared secret of several values, read again when its file changes."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from dualtoken.auth_service.keys.watched_secret import WatchedSecret

ONE, TWO, THREE = ("1" * 32, "2" * 32, "3" * 32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one value."""
    path = tmp_path / "secret"
    path.write_text(ONE)
    return path


@pytest.fixture
def secret(file: Path) -> WatchedSecret:
    """What follows it."""
    return WatchedSecret(SecretStr(ONE), file)


def write(path: Path, text: str) -> None:
    """Put another file in its place, as secret managers do."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def test_every_value_opens() -> None:
    """All that stand in it, and nothing else."""
    secret = WatchedSecret(SecretStr(f"{ONE}\n{TWO}"))

    assert [True, True, False, False] == [secret.opens([text]) for text in (ONE, TWO, f"{ONE}\n{TWO}", "")]
    assert secret.opens(["x", TWO])
    assert not secret.opens([])


@pytest.mark.parametrize("presented", ["", "1" * 31, "\udcff" * 32, "é" * 32])
def test_no_secret_opens_nothing(presented: str) -> None:
    """Where none is configured, not even nothing is good enough."""
    assert not WatchedSecret(None).opens([presented])
    assert not WatchedSecret(SecretStr(ONE)).opens([presented])


def test_a_change_of_the_file_counts_at_once(file: Path, secret: WatchedSecret) -> None:
    """A value that was added opens, and one that was taken away no longer does; the first is the one to show."""
    write(file, f"{TWO}\n{ONE}\n")
    both = [secret.opens([text]) for text in (ONE, TWO)]
    write(file, TWO)

    assert [True, True] == both
    assert [False, True] == [secret.opens([text]) for text in (ONE, TWO)]
    assert (TWO,) == secret.values


def test_a_file_written_in_place_counts_as_well(file: Path, secret: WatchedSecret) -> None:
    """With an editor, say."""
    file.write_text(f"{ONE}\n{TWO}\n")

    assert secret.opens([TWO])


@pytest.mark.parametrize("text", ["", "short", f"{TWO}\nshort"])
def test_a_bad_file_changes_nothing(
    file: Path, secret: WatchedSecret, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last good values go on to count; the log says so once, without what the file holds."""
    write(file, text)
    opened = [secret.opens([each]) for each in (ONE, TWO, ONE)]
    told = capsys.readouterr().out

    assert [True, False, True] == opened
    assert 1 == told.count("secret.reload_failed")
    assert "222" not in told
    assert "short" not in told


def test_a_file_that_is_gone_changes_nothing(file: Path, secret: WatchedSecret) -> None:
    """Until it is there again."""
    file.unlink()
    gone = secret.opens([ONE])
    file.write_text(TWO)

    assert (True, True) == (gone, secret.opens([TWO]))


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_link_that_is_turned_counts(tmp_path: Path) -> None:
    """Kubernetes turns a link of the folder to a new one."""
    for name, text in (("a", ONE), ("b", TWO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_text(text)
    data = tmp_path / "data"
    data.symlink_to("a")
    secret = WatchedSecret(SecretStr(ONE), data / "secret")
    (tmp_path / "turned").symlink_to("b")
    (tmp_path / "turned").replace(data)

    assert [False, True] == [secret.opens([text]) for text in (ONE, TWO)]


def test_values_that_are_refused_change_nothing(file: Path) -> None:
    """Such as those that open other calls."""

    def refuse(values: tuple[str, ...]) -> None:
        if THREE in values:
            raise ValueError("another's")

    secret = WatchedSecret(SecretStr(ONE), file, refuse=refuse)
    write(file, f"{TWO}\n{THREE}")

    assert [True, False, False] == [secret.opens([text]) for text in (ONE, TWO, THREE)]
