import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dualtoken.auth_service.cli import cli
from dualtoken.auth_service.settings import load_settings


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file that `keys init --service-secret` wrote."""
    path = tmp_path / "service" / "secret"
    init(path)
    return path


def init(path: Path) -> str:
    """Run `keys init` and return what it printed."""
    return CliRunner().invoke(cli, ["keys", "init", "--dir", str(path.parent), "--service-secret", str(path)]).output


def test_secret_serves_the_service(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `keys init` writes is a service secret that the settings accept."""
    monkeypatch.setenv("AUTH_SERVICE_SECRET_FILE", str(secret_file))
    secret = load_settings().service_secret

    assert secret is not None
    assert secret_file.read_text().strip() == secret.get_secret_value()


def test_secret_is_private(secret_file: Path) -> None:
    """Nobody but the owner may read the file."""
    assert 0o600 == stat.S_IMODE(secret_file.stat().st_mode)


def test_secret_is_written_once(secret_file: Path) -> None:
    """A file that exists is left alone."""
    before = secret_file.read_bytes()
    said = init(secret_file)

    assert f"{secret_file}: exists, left alone" in said
    assert before == secret_file.read_bytes()
