from pathlib import Path

import pytest

from dualtoken.auth_service.settings import Settings, load_settings
from dualtoken_serving.errors import StartProblem
from dualtoken_serving.settings_source import file_of


def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Set environment variables."""
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_the_defaults_are_those_of_the_contract() -> None:
    """With nothing set, the settings are the documented ones."""
    settings = load_settings()

    assert ("127.0.0.1", 8001) == (settings.host, settings.port)
    assert "sqlite:///var/auth.db" == settings.database_url.get_secret_value()
    assert (3600, 604_800, 2_592_000, 30) == (
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


SECRET = {"AUTH_SERVICE_SECRET", "AUTH_BACKEND_SECRET", "AUTH_ACCESS_KEYS", "AUTH_REFRESH_KEYS"}
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
    "AUTH_CORS_ORIGINS": [
        "*",
        "https://a.example,*",
        "https://*.a.example",
        "https://a.example/path",
        "a.example",
        "null",
        "ftp://a.example",
    ],
    "AUTH_SERVICE_SECRET": ["short", f"{'x' * 32}\nshort"],
    "AUTH_BACKEND_SECRET": ["short"],
    "AUTH_AUDIENCE": [",", '["https://api.example"]', "https://a.example https://b\xfccher.example", "a\x7f"],
    "AUTH_ISSUER": [
        "https://auth.example?x",
        "https://auth.example#x",
        "http://[",
        'https://auth.example/"',
        "https://auth.example/ü",
        "auth.example",
        "ftp://auth.example",
        "https://",
        "https://user@auth.example",
        "https://auth.example/a b",
        "https://auth.example?",
        "https://auth.example#",
        "https://b\xfccher.example",
    ],
    "AUTH_DPOP": ["on"],
    "AUTH_DPOP_HTU": ["auth.example", "https://auth.example?", "https://a.example https://user@b.example"],
    "AUTH_BACKEND_CALLS": ["-1", "many"],
    "AUTH_TRUSTED_PROXIES": ["proxy.example", "10.0.0.1/8", "10.0.0.0/33"],
    "AUTH_LOG_LEVEL": ["loud"],
    "AUTH_ACCESS_KEYS": ['{"keys": []}', "-----BEGIN\nx"],
    "AUTH_REFRESH_KEYS": ['{"keys": []}'],
    "AUTH_TRUSTED_ISSUERS": ['{"issuers": []}'],
    "AUTH_TLS_CERT": ["cert.pem"],
    "AUTH_TLS_KEY": ["key.pem"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_setting_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that cannot be is a StartProblem of one line with the variable's name, and without a secret's value."""
    environment(monkeypatch, **{name: value})

    with pytest.raises(StartProblem, match=name) as caught:
        load_settings()
    assert "\n" not in str(caught.value)
    assert name not in {"AUTH_SERVICE_SECRET", "AUTH_ACCESS_KEYS", "AUTH_REFRESH_KEYS"} or value not in str(
        caught.value
    )


def test_an_issuer_is_taken_without_what_stands_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks that a file or a manifest brought would never match."""
    environment(monkeypatch, AUTH_ISSUER=" https://auth.example\n")

    assert "https://auth.example" == load_settings().issuer


def test_addresses_of_proofs_are_as_proofs_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """An international name, too."""
    environment(monkeypatch, AUTH_DPOP_HTU="https://b\xfccher.example/auth,\nhttps://auth.example ")

    assert ("https://xn--bcher-kva.example/auth", "https://auth.example") == load_settings().dpop_htu


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example https://b.example",
        "https://a.example,https://b.example,",
        "\nhttps://a.example\nhttps://b.example https://a.example",
    ],
)
def test_audiences_are_listed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """As other lists are; each once."""
    environment(monkeypatch, AUTH_AUDIENCE=text)

    assert ("https://a.example", "https://b.example") == load_settings().audiences


def test_every_problem_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bad settings are three lines."""
    environment(monkeypatch, AUTH_PORT="x", AUTH_GRACE_S="x", AUTH_LOG_LEVEL="x")

    with pytest.raises(StartProblem) as caught:
        load_settings()
    assert ["AUTH_PORT", "AUTH_GRACE_S", "AUTH_LOG_LEVEL"] == [
        line.partition(":")[0] for line in str(caught.value).splitlines()
    ]


def test_a_session_outlives_its_refresh_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle life longer than the absolute one makes no sense, and both variables are named."""
    environment(monkeypatch, AUTH_REFRESH_TTL_S="101", AUTH_SESSION_TTL_S="100")

    with pytest.raises(StartProblem, match="AUTH_REFRESH_TTL_S must not exceed AUTH_SESSION_TTL_S"):
        load_settings()


SECRET = "0123456789abcdef0123456789abcdef"


def test_the_secrets_of_services_and_backend_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that follows the feed must not change users."""
    environment(monkeypatch, AUTH_SERVICE_SECRET=f"{SECRET}\n{SECRET}2", AUTH_BACKEND_SECRET=f"{SECRET}1\n{SECRET}2")

    with pytest.raises(StartProblem, match="AUTH_BACKEND_SECRET and AUTH_SERVICE_SECRET must not share a value"):
        load_settings()


def test_the_file_of_a_secret_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is followed: the one that is named, or that of the directory; a value in the environment has none."""
    for name in ("named", "auth_service_secret"):
        (tmp_path / name).write_text(SECRET)
    environment(monkeypatch, AUTH_SECRETS_DIR=str(tmp_path))
    in_directory = file_of(Settings, "service_secret"), file_of(Settings, "backend_secret")
    monkeypatch.setenv("AUTH_SERVICE_SECRET_FILE", str(tmp_path / "named"))
    named = file_of(Settings, "service_secret")
    monkeypatch.setenv("AUTH_SERVICE_SECRET", SECRET)

    assert (tmp_path / "auth_service_secret", None) == in_directory
    assert (tmp_path / "named", None) == (named, file_of(Settings, "service_secret"))


def test_secrets_are_not_shown() -> None:
    """The text of the settings holds no secret: not the service's, not the database's."""
    settings = load_settings(service_secret=SECRET, database_url="postgresql://u:hunter2@db/auth")

    assert SECRET not in repr(settings) + str(settings)
    assert "hunter2" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::/0", "::/0"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("fd00::/8", "fd00::/8"),
    ],
)
def test_an_ipv4_mapped_network_is_the_ipv4_one(monkeypatch: pytest.MonkeyPatch, text: str, network: str) -> None:
    """A socket of both kinds names IPv4 peers so; addresses are compared in the shorter form."""
    environment(monkeypatch, AUTH_TRUSTED_PROXIES=text)

    assert [network] == [str(each) for each in load_settings().trusted_proxies]
