"""The hosts of a URL, as libpq has them."""

import pytest

from dualtoken.auth_service.errors import StartupError
from dualtoken.auth_service.store.postgresql_hosts import each_host
from dualtoken.auth_service.store.sql import open_database

STANDBY = "postgresql://a,b/db?target_session_attrs=prefer-standby"


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("postgresql://h/db", ["postgresql://h/db"]),
        (
            "postgresql://u:p,w@a:1,[::1]:2,c/db?x=y",
            [f"postgresql://u:p,w@{h}/db?x=y" for h in ("a:1", "[::1]:2", "c")],
        ),
        ("postgresql:///db?host=a,b&port=1,2", ["postgresql:///db?host=a&port=1", "postgresql:///db?host=b&port=2"]),
        ("postgresql:///db?host=a,b&port=1", ["postgresql:///db?host=a&port=1", "postgresql:///db?host=b&port=1"]),
        ("postgresql:///db?host=a,b", ["postgresql:///db?host=a", "postgresql:///db?host=b"]),
        ("postgresql:///db?service=x", ["postgresql:///db?service=x"]),
        (STANDBY, [STANDBY]),
    ],
)
def test_hosts_of_a_url_are_told_apart(url: str, each: list[str]) -> None:
    """Each host has a URL of its own, wherever the URL names it, with its port and all else."""
    assert each == each_host(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@[h/db",
        "postgresql://u:hunter2@/db?host=a,b&port=1,2,3",
        "postgresql://u:hun/ter2@h:5432/db",
        "postgresql://u:hun#ter2@h:5432/db",
        "postgresql://u:12?hunter2@h:5432/db",
        "mysql://u:hunter2@h:port/db",
    ],
)
def test_a_url_that_cannot_be_read_is_named(url: str) -> None:
    """One line that names the setting, without the URL."""
    with pytest.raises(StartupError, match=r"^AUTH_DATABASE_URL: not a database URL$"):
        open_database(url)
