"""The secret that is shown to the feed: one of several values, from a file that changes."""

from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from dualtoken.resource_service.errors import FeedRefused
from dualtoken.resource_service.revocation.feed_client import RevocationFeed
from dualtoken.resource_service.revocation.service_secret import ServiceSecret
from tests.resource_service.services import serving

ONE, TWO = "1" * 32, "2" * 32


@pytest.mark.parametrize("text", [ONE, f"{ONE}\n{TWO}", f"\n {ONE} \r\n{TWO}\r\n", f"{ONE}\r{TWO}"])
def test_the_first_value_is_shown(text: str) -> None:
    """The auth service accepts all of them, so that both sides may have one file."""
    assert ONE == ServiceSecret(text).shown()


@pytest.mark.parametrize("text", ["", " \n", "a\0b", "\x1b[0m"])
def test_what_no_header_can_carry_is_no_secret(text: str) -> None:
    """The refusal does not quote it."""
    with pytest.raises(ValueError, match=r"^must hold a value of printable characters$"):
        ServiceSecret(text)


async def test_a_secret_is_replaced_while_the_service_runs(tmp_path: Path) -> None:
    """The next question shows what the file holds by then, whoever wrote it."""
    file, shown = tmp_path / "secret", []

    async def answer(request: web.Request) -> web.Response:
        shown.append(request.headers["Authorization"])
        return web.json_response({"cursor": "c", "revoked": []})

    app = web.Application()
    app.router.add_get("/revocations", answer)
    async with serving(app) as url, RevocationFeed(str(url / "revocations"), file) as feed:
        for text in (f"{ONE}\n{TWO}\n", f"\ufeff{TWO}\r\n{ONE}\r\n"):
            file.write_text(text, encoding="utf-8")
            await feed.ask(None, 0)

    assert [f"Bearer {ONE}", f"Bearer {TWO}"] == shown


@pytest.mark.parametrize("spoiled", ["", "\n\n", None])
def test_a_file_that_cannot_be_used_changes_nothing(tmp_path: Path, spoiled: str | None) -> None:
    """The log says so, without what it holds."""
    file = tmp_path / "secret"
    file.write_text(ONE)
    secret = ServiceSecret(file)
    before = secret.shown()
    file.unlink()
    if spoiled is not None:
        file.write_text(spoiled)
    with capture_logs() as lines:
        after = secret.shown()

    assert (ONE, ONE) == (before, after)
    assert ["secret.reload_failed"] == [line["event"] for line in lines]


def test_a_file_that_was_never_good_is_named(tmp_path: Path) -> None:
    """The follower waits for it as for the feed."""
    with pytest.raises(FeedRefused, match="secret: No such file"):
        ServiceSecret(tmp_path / "secret").shown()
