"""The file that ``AUTH_TRUSTED_ISSUERS`` names."""

import json
from pathlib import Path
from typing import Any

import pytest

from dualtoken.auth_service.app import create_app
from dualtoken.auth_service.domain.trusted_issuers import read_trusted_issuers, safe_url
from dualtoken.auth_service.errors import StartupError
from dualtoken.auth_service.settings import Settings

GOOGLE = {"issuer": "https://accounts.google.com", "audience": "id"}


def read(*entries: Any) -> Any:
    """Read a file of these entries."""
    return read_trusted_issuers(json.dumps({"issuers": entries}).encode())


def test_what_is_left_out_is_cautious() -> None:
    """RS256 alone, five minutes, and nobody is made."""
    entry = read(GOOGLE)["https://accounts.google.com"]

    assert (("id",), ("RS256",), 300, "refuse", "") == (
        entry.audience,
        entry.algorithms,
        entry.max_age_s,
        entry.unknown_users,
        entry.scope,
    )
    assert "https://accounts.google.com|7" == entry.sub_of("7")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({**GOOGLE, "issuer": "accounts.google.com"}, "issuer 1: issuer: not an https URL"),
        ({**GOOGLE, "issuer": "http://accounts.google.com"}, "https is needed"),
        ({**GOOGLE, "issuer": "https://a#b"}, "fragment"),
        ({**GOOGLE, "issuer": 7}, "issuer"),
        ({"issuer": GOOGLE["issuer"]}, "audience"),
        ({**GOOGLE, "audience": []}, "audience"),
        ({**GOOGLE, "audience": ""}, "audience"),
        ({**GOOGLE, "audience": ["id", "id "]}, "issuer 1: audience.1: has blanks around it"),
        ({**GOOGLE, "audience": "i\nd"}, "cannot be printed"),
        ({**GOOGLE, "username": "name ", "unknown_users": "create"}, "issuer 1: username: has blanks around it"),
        ({**GOOGLE, "issuer": "https://accounts.google.com "}, "issuer 1: issuer: a URL with blanks"),
        ({**GOOGLE, "issuer": "https://accounts.google.com/\0"}, "cannot be printed"),
        ({**GOOGLE, "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}, "issuer 1: issuer: has a query or"),
        ({**GOOGLE, "issuer": "https://accounts.google.com?hd=x"}, "issuer 1: issuer: has a query or"),
        ({**GOOGLE, "jwks_uri": "https://google.com/jwks\n"}, "issuer 1: jwks_uri: a URL with blanks"),
        ({**GOOGLE, "jwks_uri": "http://google.com/jwks"}, "jwks_uri"),
        ({**GOOGLE, "algorithms": ["HS256"]}, "algorithms"),
        ({**GOOGLE, "algorithms": ["none"]}, "algorithms"),
        ({**GOOGLE, "algorithms": []}, "algorithms"),
        ({**GOOGLE, "algorithms": "RS256"}, "algorithms"),
        ({**GOOGLE, "algorithms": [[]]}, "algorithms"),
        ({**GOOGLE, "max_age_s": 0}, "max_age_s"),
        ({**GOOGLE, "max_age_s": "300"}, "max_age_s"),
        ({**GOOGLE, "unknown_users": "maybe"}, "unknown_users"),
        ({**GOOGLE, "prefix": ""}, "prefix"),
        ({**GOOGLE, "prefix": "e"}, "users that are added here"),
        ({**GOOGLE, "prefix": "0badcafe"}, "users that are added here"),
        ({**GOOGLE, "scope": "read"}, "unknown_users"),
        ({**GOOGLE, "unknown_users": "create", "scope": '"'}, "scope"),
        ({**GOOGLE, "issuer": f"https://{'a.' * 70}example"}, "too long"),
        ({**GOOGLE, "audiences": ["id"]}, "audiences"),
        ("https://accounts.google.com", "issuer 1"),
    ],
)
def test_each_problem_is_named(entry: Any, expected: str) -> None:
    """With the number of its entry, and the member."""
    with pytest.raises(ValueError, match=r"issuer 1:") as caught:
        read(entry)

    assert expected in str(caught.value)


def test_a_mark_at_its_beginning_is_none_of_it() -> None:
    """Some editors write one."""
    data = json.dumps({"issuers": [GOOGLE]}).encode()

    assert read_trusted_issuers(data) == read_trusted_issuers(b"\xef\xbb\xbf" + data)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"issuers": []}', b'{"issuers": [], "issuers": []}', b"\xff"])
def test_what_is_no_such_file_is_told(data: bytes) -> None:
    """In one line."""
    with pytest.raises(ValueError, match=r"issuers|JSON object"):
        read_trusted_issuers(data)


@pytest.mark.parametrize(
    ("prefix", "other"),
    [
        (None, {"issuer": GOOGLE["issuer"]}),
        ("g|", {"issuer": "https://b.example", "prefix": "g|"}),
        ("g|", {"issuer": "https://b.example", "prefix": "g|b|"}),
        ("g|b|", {"issuer": "https://b.example", "prefix": "g|"}),
    ],
)
def test_no_issuer_can_speak_of_anothers_users(prefix: str | None, other: dict[str, Any]) -> None:
    """Two of one name, or prefixes of which one begins as the other, are refused."""
    with pytest.raises(ValueError, match=r"twice|begins"):
        read({**GOOGLE, "prefix": prefix}, {**GOOGLE, **other})


def test_the_service_does_not_start_with_a_wrong_file(settings: Settings, tmp_path: Path) -> None:
    """The setting, the file and the problem stand in one line."""
    for content, expected in ((None, "No such file"), ("{}", "issuers")):
        path = tmp_path / "issuers.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(StartupError, match=f"^AUTH_TRUSTED_ISSUERS: {path}: .*{expected}"):
            create_app(settings.model_copy(update={"trusted_issuers": path}))


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST.", "keys.localhost", "127.0.0.1", "127.9.9.9", "127.1", "0x7f.1", "2130706433", "0",
        "0.0.0.0", "127.0.0.1.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",  # noqa: S104 - none is bound
    ],
)  # fmt: skip
def test_metadata_cannot_lead_to_this_machine(host: str) -> None:
    """However its host is spelled: an issuer elsewhere could have this service call its own neighbours."""
    with pytest.raises(ValueError, match="loopback"):
        safe_url(f"https://{host}/jwks", beside_loopback=False)


@pytest.mark.parametrize("host", ["issuer.example", "a.example.", "bücher.example", "10.0.0.7", "[2001:db8::7]:84"])
def test_metadata_may_lead_elsewhere(host: str) -> None:
    """An issuer's keys may be at any other host."""
    assert safe_url(f"https://{host}/jwks", beside_loopback=False)
