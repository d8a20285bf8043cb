"""The memory of verified tokens: what it finds, and what it forgets."""

from dualtoken.resource_service.verification.verified_tokens import ENTRY_BYTES, VerifiedTokens

PAYLOAD, SIGNATURE_BYTES = b"{}", 32
SIZE = ENTRY_BYTES + SIGNATURE_BYTES + len(PAYLOAD)


def signature(number: int) -> bytes:
    """Return a signature of its own for each number."""
    return number.to_bytes(SIGNATURE_BYTES, "big")


def remembering(*numbers: int, room_for: int = 2) -> VerifiedTokens:
    """Return a memory that has heard of these tokens, in their order."""
    memory = VerifiedTokens(room_for * SIZE)
    for number in numbers:
        memory.add(signature(number), PAYLOAD, 0, 1.0, None)
    return memory


def found(memory: VerifiedTokens, *numbers: int) -> list[bool]:
    """Return which of these tokens are known."""
    return [memory.find(signature(number), PAYLOAD, 0) is not None for number in numbers]


def memory_of(memory: VerifiedTokens) -> list[int]:
    """Return the tokens that are known, without finding them: that would spare them."""
    return [int.from_bytes(key, "big") for key in memory._entries]


def test_a_token_is_found_by_all_of_it() -> None:
    """Signature, payload and header: none of them alone says anything."""
    memory = remembering(1)

    assert (1.0, None) == memory.find(signature(1), PAYLOAD, 0)
    assert None is memory.find(signature(1), b"{ }", 0)
    assert None is memory.find(signature(1), PAYLOAD, 1)
    assert None is memory.find(signature(2), PAYLOAD, 0)


def test_the_oldest_is_forgotten_where_there_is_no_room() -> None:
    """Never more than it may hold."""
    memory = remembering(1, 2, 3)

    assert (2, [False, True, True]) == (len(memory), found(memory, 1, 2, 3))


def test_what_was_used_is_spared_once() -> None:
    """A token that was found since goes to the end of the order; unused, it goes the next time."""
    memory = remembering(1, 2)
    found(memory, 1)
    memory.add(signature(3), PAYLOAD, 0, 1.0, None)
    spared = 1 in memory_of(memory)
    memory.add(signature(4), PAYLOAD, 0, 1.0, None)
    memory.add(signature(5), PAYLOAD, 0, 1.0, None)

    assert (True, [4, 5]) == (spared, sorted(memory_of(memory)))


def test_a_token_heard_of_twice_takes_its_room_once() -> None:
    """Two requests may verify one token side by side."""
    memory = remembering(1, 1, 1, 2)

    assert (2, [True, True]) == (len(memory), found(memory, 1, 2))


def test_a_long_signature_is_found_by_its_digest() -> None:
    """One of RSA takes as much room as any other."""
    memory = VerifiedTokens(10 * SIZE)
    memory.add(b"s" * 256, PAYLOAD, 0, 1.0, "sid")

    assert (1.0, "sid") == memory.find(b"s" * 256, PAYLOAD, 0)
    assert None is memory.find(b"s" * 255 + b"t", PAYLOAD, 0)


def test_all_is_forgotten_at_once() -> None:
    """Another key set vouches for none of them."""
    memory = remembering(1, 2)
    memory.clear()

    assert (0, [False, False]) == (len(memory), found(memory, 1, 2))
