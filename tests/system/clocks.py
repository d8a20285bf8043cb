"""Services whose clocks differ, as those of machines do that nobody keeps in step."""

from pathlib import Path

from dualtoken.auth_service.domain.clock import wall_clock
from tests.system.processes import Service

_FOLDER = Path(__file__).parent / "shifted_clock"  # Python runs what it finds there under this name as it starts


def now_ms(ahead_s: int = 0) -> int:
    """Return milliseconds since the epoch by a clock that is so many seconds ahead."""
    return wall_clock() + ahead_s * 1000


async def restart(service: Service, ahead_s: int) -> None:
    """Stop a service, and start it with a clock that is so many seconds ahead of this one's."""
    assert 0 == await service.stop()
    service.settings |= {"PYTHONPATH": str(_FOLDER), "CLOCK_AHEAD_S": str(ahead_s)}
    await service.start()
