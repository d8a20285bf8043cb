import pytest

from dualtoken.resource_service.verification.strict_json import read_object


def test_an_object_is_read() -> None:
    """Plain JSON in UTF-8 is what it looks like."""
    assert {"a": [1, "ü"]} == read_object('{"a": [1, "ü"]}'.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'"text"',
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_readers_disagree_about_is_refused(data: bytes) -> None:
    """Anything but one plain object is a ValueError, and never another exception."""
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
        read_object(data)
