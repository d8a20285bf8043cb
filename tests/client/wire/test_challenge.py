"""Reading WWW-Authenticate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualtoken.client.wire.challenge import asks_for_new_token


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([], True, id="no challenge at all: often forgotten"),
        pytest.param(["Bearer"], True, id="bare"),
        pytest.param(['Bearer realm="x"'], True, id="with a realm"),
        pytest.param(['bEaReR error="invalid_token"'], True, id="schemes have no case"),
        pytest.param(['Bearer error="insufficient_scope"'], False, id="a new token would not help"),
        pytest.param(["Bearer error=insufficient_scope"], False, id="unquoted"),
        pytest.param(['Basic realm="x"'], False, id="another scheme"),
        pytest.param(['Basic realm="x, Bearer y"'], False, id="a quoted bearer is none"),
        pytest.param(["BearerX"], False, id="a longer name is another scheme"),
        pytest.param(['Basic realm="x", Bearer error="invalid_token"'], True, id="two in one header"),
        pytest.param(['Bearer error="invalid_token", Basic realm="x"'], True, id="the other way round"),
        pytest.param(['Basic realm="x"', "Bearer"], True, id="two headers"),
        pytest.param(["Negotiate dG9rZW4=, Bearer"], True, id="after a token68"),
        pytest.param(['Basic realm="a\\"b", Bearer error = "insufficient_scope"'], False, id="escapes and spaces"),
        pytest.param(['Bearer error="insufficient_scope"', "Bearer"], True, id="one of two says yes"),
    ],
)
def test_a_bearer_challenge_asks_for_a_new_token(headers: list[str], expected: bool) -> None:
    """RFC 9110 §11.6.1, RFC 6750 §3.1: only a bearer challenge that a new token can satisfy starts a refresh."""
    assert expected == asks_for_new_token(headers)


@given(st.lists(st.text(max_size=200), max_size=3))
def test_any_header_is_read_without_an_error(headers: list[str]) -> None:
    """A server may send anything."""
    assert asks_for_new_token(headers) in (True, False)


def test_a_long_header_is_read_in_linear_time() -> None:
    """No header makes the reader think for long: 64 KB of half-open quotes take less than a second."""
    assert asks_for_new_token(['Bearer a="' + "\\" * 65536])
