from pathlib import Path

import pytest

from tests.resource_service.services import resource_service

PAGE = "https://app.example"
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}


async def test_a_listed_origin_may_ask_and_read(key_file: Path) -> None:
    """A page of a configured origin passes the preflight, and may read even a refusal and its challenge."""
    async with resource_service(key_file, cors_origins=(PAGE,)) as session:
        async with session.options("/home", headers={"Origin": PAGE, **PREFLIGHT}) as preflight:
            assert (200, PAGE, "GET", "AUTHORIZATION") == (
                preflight.status,
                preflight.headers["Access-Control-Allow-Origin"],
                preflight.headers["Access-Control-Allow-Methods"],
                preflight.headers["Access-Control-Allow-Headers"],
            )
        async with session.get("/home", headers={"Origin": PAGE}) as answer:
            exposed = answer.headers["Access-Control-Expose-Headers"]
            assert (401, PAGE) == (answer.status, answer.headers["Access-Control-Allow-Origin"])
            assert "WWW-Authenticate" in exposed


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.evil", "http://app.example", "null"])
async def test_any_other_origin_is_refused(origin: str, key_file: Path) -> None:
    """Origins are compared whole; the refusal has the one shape and does not quote them."""
    async with resource_service(key_file, cors_origins=(PAGE,)) as session:
        async with session.options("/home", headers={"Origin": origin, **PREFLIGHT}) as preflight:
            assert (403, "forbidden", "Forbidden") == (preflight.status, *(await preflight.json()).values())
        async with session.get("/home", headers={"Origin": origin}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_no_origin_is_allowed_by_default(key_file: Path) -> None:
    """Without the setting there is no preflight to pass."""
    async with (
        resource_service(key_file) as session,
        session.options("/home", headers={"Origin": PAGE, **PREFLIGHT}) as preflight,
    ):
        assert 405 == preflight.status
