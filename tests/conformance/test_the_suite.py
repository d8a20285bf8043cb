"""The scenarios tell a good client from a bad one."""

import asyncio
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CAUGHT = {
    "test_a_burst_at_expiry_costs_one_refresh",
    "test_a_late_401_refreshes_nothing",
    "test_who_began_the_refresh_may_be_cancelled",
    "test_a_lost_answer_costs_nothing",
    "test_trouble_that_passes_goes_unnoticed",
    "test_nonsense_is_not_the_end",
    "test_the_end_is_told_to_everybody",
    "test_a_logout_ends_the_session_on_both_sides",
    "test_a_foreign_origin_sees_no_token",
    "test_a_refusal_that_no_token_mends_is_passed_on",
    "test_a_body_that_can_be_had_once_is_never_sent_empty",
    "test_clients_on_one_token_file_share_a_refresh",
}

PASSED = {"test_requests_carry_the_access_token", "test_an_expiry_goes_unnoticed"}


async def test_a_naive_client_fails_where_it_should() -> None:
    """A client that signs everything and refreshes on each 401 passes the easy scenarios and fails the hard ones."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "tests/conformance/scenarios"),
        *("-k", " or ".join(CAUGHT | PASSED)),
        cwd=ROOT,
        env={**os.environ, "CONFORMANCE_CLIENT": "tests.conformance.naive_client:NaiveClient", "CI": ""},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    failed = set(re.findall(r"FAILED \S+::(\w+)", output.decode()))

    assert set() == CAUGHT - failed
    assert set() == failed & PASSED
