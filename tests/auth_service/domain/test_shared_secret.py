import pytest

from dualtoken.auth_service.domain.shared_secret import secret_values

ONE, TWO = "1" * 32, "2" * 32


@pytest.mark.parametrize("text", [f"{ONE}\n{TWO}", f"{ONE}\r\n{TWO}\r\n", f"\n {ONE} \n\n\t{TWO}\n"])
def test_each_line_is_a_value(text: str) -> None:
    """In their order; white space around them and empty lines count for nothing."""
    assert (ONE, TWO) == secret_values(text)


@pytest.mark.parametrize("text", ["", "\n", "1" * 31, f"{ONE}\n{'2' * 31}"])
def test_a_short_value_is_refused(text: str) -> None:
    """None, or one of fewer than 32 characters, in any line; the text of the error holds none."""
    with pytest.raises(ValueError, match="32 characters") as refused:
        secret_values(text)

    assert "2222" not in str(refused.value)
