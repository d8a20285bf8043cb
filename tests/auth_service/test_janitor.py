from pathlib import Path

from auth_service.janitor import Janitor
from auth_service.models import RevocationReason, Session, User, new_session_id
from auth_service.store.sql import open_store
from tests.auth_service.running import START_MS, ManualClock


async def test_sessions_are_deleted_when_nothing_needs_them(tmp_path: Path, user: User, clock: ManualClock) -> None:
    """A session, revoked or not, is kept until its absolute end and a while longer; then all such go in one sweep."""
    session = Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + 1000)
    async with open_store(f"sqlite:///{tmp_path / 'auth.db'}") as store:
        await store.add_user(user, "hash", now=START_MS)
        for _ in range(501):
            session = session._replace(id=new_session_id())
            await store.create_session(session, verified_hash="hash")
        await store.revoke(session.id, RevocationReason.REUSE, now=START_MS)
        janitor = Janitor(store, clock, keep=60_000)
        clock.advance(61)

        assert 0 == await janitor.sweep()
        clock.advance(0.001)
        assert 501 == await janitor.sweep()
        assert 0 == await janitor.sweep()
