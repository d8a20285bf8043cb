import hashlib
import hmac
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualtoken.auth_service.domain.models import encode_session_id, new_session_id
from dualtoken.auth_service.errors import InvalidGrant
from dualtoken.auth_service.tokens.refresh import RefreshKey, RefreshTokens

OLD, NEW = RefreshKey("old", b"o" * 32), RefreshKey("new", b"n" * 32)
TOKENS = RefreshTokens([NEW])
session_ids = st.binary(min_size=16, max_size=16).map(encode_session_id)
generations = st.integers(0, 2**32 - 1)


@given(session_id=session_ids, generation=generations)
def test_what_is_encoded_is_decoded(session_id: str, generation: int) -> None:
    """A token carries its session and its generation."""
    assert (session_id, generation) == TOKENS.decode(TOKENS.encode(session_id, generation))


def test_the_layout_is_that_of_the_contract() -> None:
    """dtr1_ + base64url(key id 6 B, session id 16 B, generation 4 B, HMAC-SHA-256 cut to 16 B)."""
    raw_id = bytes(range(16))
    token = TOKENS.encode(encode_session_id(raw_id), 258)
    raw = urlsafe_b64decode(token.removeprefix("dtr1_"))
    body = hashlib.sha256(b"new").digest()[:6] + raw_id + b"\x00\x00\x01\x02"

    assert 61 == len(token)
    assert body + hmac.digest(b"n" * 32, b"dtr1_" + body, "sha256")[:16] == raw


def test_a_token_is_deterministic() -> None:
    """The same successor can be made again without having been stored."""
    session_id = new_session_id()

    assert TOKENS.encode(session_id, 7) == RefreshTokens([NEW, OLD]).encode(session_id, 7)


def test_all_keys_verify_and_the_first_signs() -> None:
    """After a rotation of keys, what the old one signed is good, and the new one signs."""
    session_id = new_session_id()
    before, after = RefreshTokens([OLD]), RefreshTokens([NEW, OLD])

    assert (session_id, 3) == after.decode(before.encode(session_id, 3))
    assert (session_id, 3) == TOKENS.decode(after.encode(session_id, 3))


def test_a_key_taken_out_verifies_no_more() -> None:
    """What a removed key signed is malformed."""
    token = RefreshTokens([OLD]).encode(new_session_id(), 0)

    with pytest.raises(InvalidGrant, match="malformed"):
        TOKENS.decode(token)


def test_a_key_of_the_same_name_but_another_secret_is_no_key() -> None:
    """The MAC counts, not the key id."""
    token = RefreshTokens([RefreshKey("new", b"x" * 32)]).encode(new_session_id(), 0)

    with pytest.raises(InvalidGrant, match="malformed"):
        TOKENS.decode(token)


@given(session_id=session_ids, generation=generations, index=st.integers(0, 60), character=st.characters())
def test_no_other_spelling_is_good(session_id: str, generation: int, index: int, character: str) -> None:
    """Any changed character makes the token malformed: there is one spelling of each."""
    token = TOKENS.encode(session_id, generation)
    changed = token[:index] + character + token[index + 1 :]
    if changed == token:
        return

    with pytest.raises(InvalidGrant, match="malformed"):
        TOKENS.decode(changed)


ANYTHING = st.one_of(st.sampled_from("+/-_= \n\x00AQgw"), st.characters())
EDITS = st.lists(st.tuples(st.sampled_from(["insert", "replace", "delete"]), st.integers(0, 60), ANYTHING), max_size=4)


def edited(token: str, edits: list[tuple[str, int, str]]) -> str:
    """Return *token* after each of *edits*: what, where, with which character."""
    for what, index, character in edits:
        rest = token[index:] if what == "insert" else token[index + 1 :]
        token = token[:index] + ("" if what == "delete" else character) + rest
    return token


@given(session_id=session_ids, generation=generations, edits=EDITS)
def test_exactly_one_spelling_is_good(session_id: str, generation: int, edits: list[tuple[str, int, str]]) -> None:
    """Whatever is put in, taken out or replaced, in several places too: only the token itself is good."""
    token = TOKENS.encode(session_id, generation)
    other = edited(token, edits)

    if other == token:
        assert (session_id, generation) == TOKENS.decode(other)
    else:
        with pytest.raises(InvalidGrant, match="malformed"):
            TOKENS.decode(other)


@given(session_id=session_ids, generation=generations)
def test_the_other_alphabet_is_no_spelling(session_id: str, generation: int) -> None:
    """What RFC 4648 §4 writes as + and / is written - and _ here, and not otherwise."""
    token = TOKENS.encode(session_id, generation)
    others = {token.replace("-", "+"), token[:5] + token[5:].replace("_", "/")} - {token}

    for other in others:
        with pytest.raises(InvalidGrant, match="malformed"):
            TOKENS.decode(other)


@given(st.text())
def test_arbitrary_text_is_malformed(text: str) -> None:
    """Whatever is presented is either a token or malformed; nothing else is raised."""
    with pytest.raises(InvalidGrant, match="malformed"):
        TOKENS.decode(text)


@pytest.mark.parametrize("suffix", ["=", "\n", " ", "A"])
def test_nothing_may_follow_a_token(suffix: str) -> None:
    """Padding, white space or another character after a token makes it malformed."""
    with pytest.raises(InvalidGrant, match="malformed"):
        TOKENS.decode(TOKENS.encode(new_session_id(), 0) + suffix)


def test_a_service_without_keys_does_not_start() -> None:
    """No key, no tokens."""
    with pytest.raises(ValueError, match="at least one"):
        RefreshTokens([])
