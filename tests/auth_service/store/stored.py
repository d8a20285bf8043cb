"""Sessions in a store."""

from dualtoken.auth_service.domain.models import Session, User, new_session_id
from dualtoken.auth_service.domain.rotation import RotationPolicy
from dualtoken.auth_service.store import Store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, HASH

POLICY = RotationPolicy(refresh_ttl=7 * DAY, grace=10_000)
OTHER = User("u-2", "mk", "mk@example.org", "read")
LATER = START_MS + 1000


async def add_session(store: Store, session: Session, **changes: object) -> Session:
    """Store a session like *session*, with an id of its own."""
    added = session._replace(id=new_session_id(), **changes)
    assert [] == await store.create_session(added, verified_hash=HASH)
    return added


async def revoked(store: Store, *sessions: Session) -> list[str | None]:
    """Return why each session was revoked."""
    found = [await store.find_session(session.id) for session in sessions]
    return [session.revoked_reason if session else "gone" for session in found]
