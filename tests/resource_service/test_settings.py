import pytest

from dualtoken.resource_service.settings import Settings, load_settings
from dualtoken_serving.errors import StartProblem


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that holds just a key file."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"RESOURCE_{name.upper()}", raising=False)
    monkeypatch.setenv("RESOURCE_KEYS", "access.jwks.json")
    return monkeypatch


def test_the_defaults_fit_the_defaults_of_the_auth_service() -> None:
    """A key file is all that a first try needs."""
    settings = load_settings()

    assert ("127.0.0.1", 8002, "http://localhost:8001", ("http://localhost:8002",), 5, 1, (), "closed") == (
        settings.host,
        settings.port,
        settings.issuer,
        settings.audience,
        settings.leeway_s,
        settings.workers,
        settings.cors_origins,
        settings.revocations_stale,
    )


def test_an_empty_variable_is_an_absent_one(environment: pytest.MonkeyPatch) -> None:
    """Compose files pass variables on that nobody set."""
    environment.setenv("RESOURCE_PORT", "")
    environment.setenv("RESOURCE_JWKS_URL", "")

    assert 8002 == load_settings().port


@pytest.mark.parametrize(
    "text", ["https://a.example http://b:81", "https://a.example,http://b:81", " https://a.example , http://b:81"]
)
def test_origins_are_separated_by_spaces_or_commas(text: str, environment: pytest.MonkeyPatch) -> None:
    """Both are what people write."""
    environment.setenv("RESOURCE_CORS_ORIGINS", text)

    assert ("https://a.example", "http://b:81") == load_settings().cors_origins


def test_a_resource_may_have_several_names(environment: pytest.MonkeyPatch) -> None:
    """Separated as origins are; the first is the one that it gives itself."""
    environment.setenv("RESOURCE_AUDIENCE", "https://api.example, https://old.example")

    assert ("https://api.example", "https://old.example") == load_settings().audience


@pytest.mark.parametrize(
    "origin",
    ["*", "https://a.example/x", "a.example", "null", "https://*.example"],
)
def test_only_exact_origins_are_taken(origin: str, environment: pytest.MonkeyPatch) -> None:
    """What a browser would never send as an origin is refused at start, the wildcard above all."""
    environment.setenv("RESOURCE_CORS_ORIGINS", f"https://good.example {origin}")

    with pytest.raises(StartProblem, match="RESOURCE_CORS_ORIGINS: "):
        load_settings()


def test_the_secret_is_never_shown(environment: pytest.MonkeyPatch) -> None:
    """Settings may be printed."""
    environment.setenv("RESOURCE_SERVICE_SECRET", "hush")

    assert "hush" not in repr(load_settings())


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (
            "REVOCATIONS_URL",
            "http://localhost:8001/revocations",
            "RESOURCE_SERVICE_SECRET: RESOURCE_REVOCATIONS_URL needs it",
        ),
        ("REVOCATIONS_URL", "http://auth.example/revocations", "RESOURCE_REVOCATIONS_URL: https is needed"),
        ("JWKS_URL", "https://auth.example/jwks.json", "RESOURCE_KEYS, RESOURCE_JWKS_URL: exactly one"),
        ("ISSUER", 'http://"', "RESOURCE_ISSUER: printable ASCII"),
        ("AUDIENCE", "http://ü", "RESOURCE_AUDIENCE: printable ASCII"),
        ("AUDIENCE", " , ", "RESOURCE_AUDIENCE: "),
        ("WORKERS", "0", "RESOURCE_WORKERS: "),
        ("LOG_LEVEL", "loud", "RESOURCE_LOG_LEVEL: "),
        ("LEEWAY_S", "nan", "RESOURCE_LEEWAY_S: "),
        ("LEEWAY_S", "-1", "RESOURCE_LEEWAY_S: "),
        ("REVOCATIONS_STALE_AFTER_S", "inf", "RESOURCE_REVOCATIONS_STALE_AFTER_S: "),
        ("REVOCATIONS_STALE_AFTER_S", "nan", "RESOURCE_REVOCATIONS_STALE_AFTER_S: "),
        ("CACHE_MIB", "9" * 24, "RESOURCE_CACHE_MIB: "),
        ("ACCESS_TTL_S", "9" * 400, "RESOURCE_ACCESS_TTL_S: "),
        ("TLS_KEY", "key.pem", "RESOURCE_TLS_CERT, RESOURCE_TLS_KEY: "),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, problem: str, environment: pytest.MonkeyPatch) -> None:
    """By the variable that holds it, with what is wrong."""
    environment.setenv(f"RESOURCE_{name}", value)

    with pytest.raises(StartProblem, match=problem):
        load_settings()
