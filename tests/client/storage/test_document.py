"""The form in which sessions are written down."""

from client import StoredSession, Tokens
from client.storage.document import Document, read, read_session, write, write_session

SESSION = StoredSession(Tokens("access", "refresh", 7.0), None, "login", "key", 4)


def test_no_token_of_a_file_outlives_its_reading() -> None:
    """The parser keeps none for the next file that has the same."""
    document = Document(accounts={"zs": SESSION})
    first, second = read(write(document)), read(write(document))

    assert document == first == second
    assert _tokens(first.accounts["zs"]).isdisjoint(_tokens(second.accounts["zs"]))


def test_no_token_of_a_key_ring_outlives_its_reading() -> None:
    """Nor of an entry of a key ring."""
    first, second = read_session(write_session(SESSION)), read_session(write_session(SESSION))

    assert SESSION == first == second
    assert _tokens(first).isdisjoint(_tokens(second))


def _tokens(session: StoredSession) -> set[int]:
    assert session.tokens is not None
    return {id(session.tokens.access_token), id(session.tokens.refresh_token)}
