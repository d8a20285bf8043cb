"""What the demonstration claims: counted, never timed."""

import base64
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from dualtoken.client import Tokens
from dualtoken.client.playground.claims import Burst, Claims, expires_at, is_due, token_life_s
from dualtoken.client.playground.demo_view import verdict

FORESEEN = Burst(200, surprise=False, answered=200, refreshes=1, due=1)
SURPRISE = Burst(200, surprise=True, answered=200, refused=200, refreshes=1, due=1)


@pytest.mark.parametrize(
    ("burst", "held"),
    [
        pytest.param(FORESEEN, True, id="foreseen"),
        pytest.param(SURPRISE, True, id="a surprise"),
        pytest.param(replace(FORESEEN, longest_s=3600.0), True, id="slow: times are no claims"),
        pytest.param(replace(FORESEEN, refused=7, refreshes=3, due=3), True, id="slow: three tokens ran out"),
        pytest.param(replace(FORESEEN, refreshes=2), False, id="two refreshes for one token"),
        pytest.param(replace(FORESEEN, refreshes=0, due=0), False, id="no refresh"),
        pytest.param(replace(FORESEEN, answered=199, failed=1), False, id="one failed"),
        pytest.param(replace(FORESEEN, answered=199), False, id="one unanswered"),
        pytest.param(replace(FORESEEN, refused=3), False, id="not foreseen"),
        pytest.param(replace(SURPRISE, refused=0), False, id="no surprise"),
        pytest.param(replace(SURPRISE, refused_alive=1), False, id="a good token was refused"),
    ],
)
def test_a_claim_that_does_not_hold_is_seen(burst: Burst, held: bool) -> None:
    """The verdict depends on every burst."""
    claims = Claims([FORESEEN, burst])
    console = Console(file=io.StringIO(), width=200)
    console.print(verdict(claims))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO

    assert (held, "Every claim held" if held else "A claim FAILED") == (claims.held, text.partition(":")[0])


def test_a_thief_that_gets_away_is_seen() -> None:
    """The verdict depends on the replay, too."""
    claims = Claims([FORESEEN], [(True, "The thief presents the copy."), (False, "The session went on.")])

    assert not claims.held


@pytest.mark.parametrize(("burst_s", "life_s"), [(0.01, 2), (0.5, 2), (0.51, 3), (60.0, 240)])
def test_tokens_live_as_long_as_the_machine_needs(burst_s: float, life_s: int) -> None:
    """Four bursts fit into the life of a token, however slow the machine."""
    assert life_s == token_life_s(burst_s)


@pytest.mark.parametrize(
    ("expires_in", "age_s", "due"),
    [(2.0, 1.7, False), (2.0, 1.8, True), (3600.0, 3539.0, False), (3600.0, 3540.0, True)],
)
def test_a_token_is_due_in_the_last_part_of_its_life(expires_in: float, age_s: float, due: bool) -> None:
    """The last tenth, and no more than a minute."""
    tokens = Tokens("access", "refresh", obtained_at=1000.0, expires_in=expires_in)

    assert due == is_due(tokens, 1000.0 + age_s)


def test_expiry_is_read_from_the_token_itself() -> None:
    """The claim ``exp`` counts, not what the client was told."""
    payload = base64.urlsafe_b64encode(json.dumps({"exp": 1700000000}).encode()).decode().rstrip("=")

    assert 1700000000.0 == expires_at(f"e30.{payload}.c2ln")
