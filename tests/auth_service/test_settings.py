from pathlib import Path

import pytest

from auth_service.errors import StartupError
from auth_service.settings import load_settings


def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Set environment variables."""
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_the_defaults_are_those_of_the_contract() -> None:
    """With nothing set, the settings are the documented ones."""
    settings = load_settings()

    assert ("127.0.0.1", 8001) == (settings.host, settings.port)
    assert "sqlite:///var/auth.db" == settings.database_url.get_secret_value()
    assert (3600, 604_800, 2_592_000, 10) == (
        settings.access_ttl_s,
        settings.refresh_ttl_s,
        settings.session_ttl_s,
        settings.grace_s,
    )
    assert (1, 10, (), None) == (
        settings.workers,
        settings.login_failures,
        settings.cors_origins,
        settings.service_secret,
    )


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files pass empty variables on: they change nothing."""
    environment(monkeypatch, AUTH_PORT="", AUTH_SERVICE_SECRET="", AUTH_CORS_ORIGINS="")

    assert load_settings() == load_settings(port=8001)


@pytest.mark.parametrize("text", ["https://a.example,https://b.example", " https://a.example  https://b.example\n"])
def test_lists_are_split_at_commas_and_blanks(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Several origins stand in one variable."""
    environment(monkeypatch, AUTH_CORS_ORIGINS=text)

    assert ("https://a.example", "https://b.example") == load_settings().cors_origins


SECRET = {"AUTH_SERVICE_SECRET", "AUTH_ACCESS_KEYS", "AUTH_REFRESH_KEYS"}
BAD = {
    "AUTH_PORT": ["http", "-1", "65536", "80.5"],
    "AUTH_ACCESS_TTL_S": ["0", "-1", "1h", "86401", "inf"],
    "AUTH_REFRESH_TTL_S": ["0", "week", "9" * 18],
    "AUTH_SESSION_TTL_S": ["0", "month", "9" * 18],
    "AUTH_SESSIONS_PER_USER": ["-1", "9" * 18],
    "AUTH_GRACE_S": ["-1", "61", "x"],
    "AUTH_WORKERS": ["0", "many", "257"],
    "AUTH_SHUTDOWN_S": ["0", "x"],
    "AUTH_LOGIN_FAILURES": ["0", "x", "9" * 18],
    "AUTH_ISSUER": [
        "auth.example",
        "ftp://auth.example",
        "https://auth.example?x",
        "https://auth.example#x",
        "http://[",
        'https://auth.example/"',
        "https://auth.example/ü",
    ],
    "AUTH_CORS_ORIGINS": [
        "*",
        "https://a.example,*",
        "https://*.a.example",
        "https://a.example/",
        "https://a.example/path",
        "a.example",
        "null",
        "ftp://a.example",
    ],
    "AUTH_SERVICE_SECRET": ["short"],
    "AUTH_TRUSTED_PROXIES": ["proxy.example", "10.0.0.1/8", "10.0.0.0/33"],
    "AUTH_LOG_LEVEL": ["loud"],
    "AUTH_ACCESS_KEYS": ['{"keys": []}', "-----BEGIN\nx"],
    "AUTH_REFRESH_KEYS": ['{"keys": []}'],
    "AUTH_TLS_CERT": ["cert.pem"],
    "AUTH_TLS_KEY": ["key.pem"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_setting_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that cannot be is a StartupError of one line with the variable's name, and without a secret's value."""
    environment(monkeypatch, **{name: value})

    with pytest.raises(StartupError, match=name) as caught:
        load_settings()
    assert "\n" not in str(caught.value)
    assert name not in {"AUTH_SERVICE_SECRET", "AUTH_ACCESS_KEYS", "AUTH_REFRESH_KEYS"} or value not in str(
        caught.value
    )


def test_every_problem_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bad settings are three lines."""
    environment(monkeypatch, AUTH_PORT="x", AUTH_GRACE_S="x", AUTH_LOG_LEVEL="x")

    with pytest.raises(StartupError) as caught:
        load_settings()
    assert ["AUTH_PORT", "AUTH_GRACE_S", "AUTH_LOG_LEVEL"] == [
        line.partition(":")[0] for line in str(caught.value).splitlines()
    ]


def test_a_session_outlives_its_refresh_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle life longer than the absolute one makes no sense, and both variables are named."""
    environment(monkeypatch, AUTH_REFRESH_TTL_S="101", AUTH_SESSION_TTL_S="100")

    with pytest.raises(StartupError, match="AUTH_REFRESH_TTL_S must not exceed AUTH_SESSION_TTL_S"):
        load_settings()


SECRET = "0123456789abcdef0123456789abcdef"


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AUTH_X_FILE names a file that holds AUTH_X; its last line break does not count."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    environment(monkeypatch, AUTH_SERVICE_SECRET_FILE=str(tmp_path / "secret"))
    secret = load_settings().service_secret

    assert secret is not None
    assert SECRET == secret.get_secret_value()


def test_a_secret_may_come_from_a_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AUTH_SECRETS_DIR names a directory of files named after the settings."""
    (tmp_path / "auth_service_secret").write_text(f"{SECRET}\n")
    environment(monkeypatch, AUTH_SECRETS_DIR=str(tmp_path))
    secret = load_settings().service_secret

    assert secret is not None
    assert SECRET == secret.get_secret_value()


@pytest.mark.parametrize("name", ["AUTH_SERVICE_SECRET_FILE", "AUTH_DATABASE_URL_FILE", "AUTH_SECRETS_DIR"])
def test_a_missing_file_or_directory_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """A secret that is not where it should be is a problem, not a default."""
    environment(monkeypatch, **{name: str(tmp_path / "missing")})

    with pytest.raises(StartupError, match=name):
        load_settings()


def test_secrets_are_not_shown() -> None:
    """The text of the settings holds no secret: not the service's, not the database's."""
    settings = load_settings(service_secret=SECRET, database_url="postgresql://u:hunter2@db/auth")

    assert SECRET not in repr(settings) + str(settings)
    assert "hunter2" not in repr(settings) + str(settings)
