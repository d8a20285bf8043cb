"""What is sent to the servers that are measured side by side."""

import json
from urllib.parse import parse_qs

import pytest

from benchmarks.contenders import READS, REFRESHES, Chain, Contender, post_form, post_json
from benchmarks.http_load import Answer


def answer(token: str, status: int = 200) -> Answer:
    """Make an answer with the next token."""
    return Answer(status, b"", json.dumps({"refresh": token}).encode())


def body(request: bytes) -> str:
    """Return the body of a request, whose length its head must tell."""
    head, _, rest = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(rest)}" in head.decode().split("\r\n")
    return rest.decode()


def test_each_connection_presents_the_token_of_its_last_answer() -> None:
    """A chain goes on where it stopped, also in the next round."""
    chain = Chain(["a0", "b0"], str.encode, "refresh")
    first, other = chain(0), chain(1)

    assert [b"a0", b"a1", b"b0", b"a2"] == [first(None), first(answer("a1")), other(None), first(answer("a2"))]
    assert b"a2" == chain(0)(None)


@pytest.mark.parametrize("wrong", [answer("a0"), answer("a1", status=400)])
def test_an_answer_that_rotates_nothing_ends_the_chain(wrong: Answer) -> None:
    """A server that refuses, or gives the same token again, has not done what is measured."""
    chain = Chain(["a0"], str.encode, "refresh")

    with pytest.raises(AssertionError):
        chain(0)(wrong)


def test_a_refresh_is_posted_as_the_server_reads_it() -> None:
    """As a member of a JSON object, or as the form of RFC 6749 §6."""
    form = parse_qs(body(post_form("/token", client_id="bench")("a+b")))

    assert {"refresh": "a+b"} == json.loads(body(post_json("/refresh", "refresh")("a+b")))
    assert {"grant_type": ["refresh_token"], "refresh_token": ["a+b"], "client_id": ["bench"]} == form


@pytest.mark.parametrize("contenders", [REFRESHES, READS])
def test_the_first_row_of_each_table_is_ours(contenders: tuple[Contender, ...]) -> None:
    """All ratios are of the first row, and every row has a name of its own."""
    names = [contender.name for contender in contenders]

    assert "dualtoken" == names[0]
    assert len(names) == len(set(names))
