"""What handlers read of a token beyond who calls."""

from typing import Any

import pytest

from dualtoken.resource_service.errors import TokenRefused
from dualtoken.resource_service.verification.claims import Claims, read_claims
from tests.resource_service.issuer import claims as members


def claims(**changes: Any) -> Claims:
    """Read good claims, but for *changes*."""
    return read_claims(members(**changes))


def test_a_claim_of_the_issuers_own_is_found_by_its_name() -> None:
    """Whatever JSON holds comes as it is."""
    found = claims(tenant="acme", roles=["a", "b"], plan={"seats": 3}, trial=False)

    assert ("acme", ["a", "b"], {"seats": 3}, False) == (
        found["tenant"],
        found["roles"],
        found["plan"],
        found.get("trial"),
    )
    assert "tenant" in found


@pytest.mark.parametrize("name", ["tenant", "auth_time", "amr", "nbf", "own", "scopes", "__class__"])
def test_a_claim_that_the_token_has_not_is_missing(name: str) -> None:
    """It is a KeyError, a default, and not in it; what the object has beside the claims is none."""
    found = claims()

    assert "else" == found.get(name, "else")
    assert name not in found
    with pytest.raises(KeyError):
        found[name]


def test_a_claim_of_null_is_missing() -> None:
    """As if it were not there, so that nobody has to ask twice."""
    found = read_claims({**members(), "tenant": None})

    assert ("else", False) == (found.get("tenant", "else"), "tenant" in found)


def test_claims_with_a_name_of_their_own_have_their_types() -> None:
    """When and how the user authenticated (RFC 9068 §2.2.1), by attribute and by name."""
    found = claims(auth_time=1_700_000_000, amr=["pwd", "otp"])

    assert (1_700_000_000, ("pwd", "otp")) == (found.auth_time, found.amr)
    assert (found.auth_time, found.sub, found.scope) == (found["auth_time"], found["sub"], found["scope"])


@pytest.mark.parametrize(
    "changes", [{"auth_time": "yesterday"}, {"auth_time": True}, {"amr": "pwd"}, {"amr": [1]}, {"amr": {}}]
)
def test_claims_of_another_type_are_refused(changes: dict[str, Any]) -> None:
    """A token that says nonsense of the log-in is no token of a good issuer."""
    with pytest.raises(TokenRefused):
        claims(**changes)


@pytest.mark.parametrize("name", ["scope", "amr", "auth_time", "nbf", "sid", "email", "client_id", "jti", "username"])
def test_an_optional_claim_of_null_is_as_left_out(name: str) -> None:
    """Some issuers write what they have not."""
    absent = read_claims({member: value for member, value in members().items() if member != name})
    found = read_claims({**members(), name: None})

    assert (getattr(absent, name), absent.scopes) == (getattr(found, name), found.scopes)


def test_a_scope_is_as_long_as_the_issuer_likes() -> None:
    """An issuer that grants permissions one by one writes more than any identifier takes."""
    scope = " ".join(f"things:read:{number}" for number in range(200))

    assert set(scope.split()) == claims(scope=scope).scopes


def test_a_handler_changes_its_own_copy() -> None:
    """Verified tokens are remembered: what one request does to a list must not reach the next."""
    found = claims(roles=["a"], plan={"seats": [3]})
    found["roles"].append("admin")
    found["plan"]["seats"].append(4)

    assert (["a"], {"seats": [3]}) == (found["roles"], found["plan"])


def test_claims_can_be_compared_and_hashed() -> None:
    """Equal tokens are equal claims, those of the issuer's own included."""
    assert claims(roles=["a"]) == claims(roles=["a"])
    assert hash(claims(roles=["a"])) == hash(claims(roles=["a"]))
    assert claims(roles=["a"]) != claims(roles=["b"])
