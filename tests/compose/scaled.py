"""The scaled stack: its containers, its user, and what its database holds."""

from tests.compose.stack import Stack

AUTH, RESOURCE = ("auth-1", "auth-2"), ("resource-1", "resource-2")
REPLICAS = (*AUTH, *RESOURCE)
SERVICES = ("database", "redis", "nginx", *REPLICAS)
ACCOUNT = {"username": "zs", "password": "correct horse battery staple"}


def started(stack: Stack, service: str) -> None:
    """Start a container that was killed; return when it is healthy."""
    with stack.becoming_healthy([service]):
        stack.compose("start", service)


def restarted(stack: Stack, service: str) -> None:
    """Restart a container; return when it is healthy."""
    with stack.becoming_healthy([service]):
        stack.compose("restart", service)


def live_sessions(stack: Stack) -> int:
    """Return how many sessions nobody has ended."""
    return int(psql(stack, "SELECT count(*) FROM sessions WHERE revoked_at IS NULL"))


def psql(stack: Stack, query: str) -> str:
    """Return what the database answers."""
    url = "$(cat /keys/database/url | sed s/@database:/@127.0.0.1:/)"
    return stack.execute("database", "sh", "-c", f'psql -q -t -A -c "$0" "{url}"', query)
