"""A secret that this service shares with another party: one value a line, so that it can change without a gap."""

MIN_CHARACTERS = 32


def secret_values(text: str) -> tuple[str, ...]:
    """Return the values of a secret: the first is shown to others, all are accepted. Blank lines count for nothing.

    Raises:
        ValueError: there is none, or one is shorter than 32 characters; the text quotes none of them.
    """
    values = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not values or min(map(len, values)) < MIN_CHARACTERS:
        raise ValueError(f"must have at least {MIN_CHARACTERS} characters, in each of its lines")
    return values
