import pytest

from dualtoken.resource_service.keys.url_policy import checked_endpoint


@pytest.mark.parametrize(
    "text",
    [
        "https://auth.example/jwks.json",
        "https://auth.example:8443/jwks.json?a=b",
        "http://localhost:8001/jwks.json",
        "http://127.0.0.1:8001/jwks.json",
        "http://[::1]:8001/jwks.json",
        "http://auth:8001/jwks.json",
    ],
)
def test_safe_endpoints_are_taken(text: str) -> None:
    """TLS, or a network that is this machine's or this deployment's own."""
    assert text == str(checked_endpoint(text))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http://auth.example/jwks.json", "https is needed"),
        ("http://10.0.0.1/jwks.json", "https is needed"),
        ("http://127.0.0.1.evil.example/", "https is needed"),
        ("http://2130706433.example/", "https is needed"),
        ("http://134744072/", "https is needed"),
        ("http://0x08080808/", "https is needed"),
        ("https://user:password@auth.example/", "credentials"),
        ("https://auth.example/#keys", "fragment"),
        ("file:///etc/passwd", "not an http"),
        ("ftp://auth/", "not an http"),
        ("https:///jwks.json", "URL"),
        ("auth.example/jwks.json", "not an http"),
        ("https://[::1/", "not a URL"),
        ("", "not an http"),
    ],
)
def test_unsafe_endpoints_are_refused(text: str, problem: str) -> None:
    """What is wrong is named; the URL, which may hold a password, is not."""
    with pytest.raises(ValueError, match=problem) as refused:
        checked_endpoint(text)

    assert "password" not in str(refused.value)
