from dualtoken.resource_service.verification.revoked_sessions import RevokedSessions


def test_a_session_is_kept_as_long_as_its_tokens_live() -> None:
    """And not a moment longer: memory is bounded by that."""
    revoked = RevokedSessions(retention_s=10)
    revoked.add("a", 0)
    revoked.add("b", 5)
    kept = []
    for now in (9, 10, 15):
        revoked.prune(now)
        kept.append(list(revoked.ids))

    assert [["a", "b"], ["b"], []] == kept


def test_hearing_of_it_again_keeps_it_no_longer() -> None:
    """The overlap after each interruption must not make entries immortal."""
    revoked = RevokedSessions(retention_s=10)
    for now in (0, 8, 9):
        revoked.add("a", now)
    revoked.prune(10)

    assert "a" not in revoked.ids
