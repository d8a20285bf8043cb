"""How long requests take, by route: counted in plain numbers on their path, handed on to Prometheus off it."""

from bisect import bisect_left
from collections.abc import Sequence

from aiohttp import web
from aiohttp.web_request import BaseRequest
from prometheus_client import CollectorRegistry, Histogram

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""The upper bounds of the histogram's buckets; another one holds all that took longer."""
Labels = tuple[str, str, str]
"""Method, route and status: nothing that a caller invents."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN = "none"
"""The route of a path that is none of a service's, or of bytes that are no request."""


class Times:
    """Requests of one kind since they were last fetched.

    Attributes:
        counts: how many, by bucket.
        seconds: what they took, together.
    """

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0

    def fetch(self) -> tuple[list[int], float]:
        """Return what was counted, and begin anew."""
        fetched = self.counts, self.seconds
        self.counts, self.seconds = [0] * len(self.counts), 0.0
        return fetched


class RequestTimes:
    """The times of one worker."""

    def __init__(self) -> None:
        self.kinds: dict[Labels, Times] = {}
        # What a request's labels are is found out once for each route and status.
        self._known: dict[tuple[object, int], Times] = {}

    def observe(self, request: BaseRequest, status: int, seconds: float) -> None:
        """Count one answer. On the path of every request: it makes and looks up as little as it can."""
        try:
            # The public property would fill a cache in each request.
            times = self._known[request._match_info.route, status]  # type: ignore[attr-defined]  # noqa: SLF001
        except (KeyError, AttributeError):  # the latter: bytes that could not be parsed were matched with no route
            times = self._find(request, status)
        times.counts[bisect_left(BOUNDS_S, seconds)] += 1
        times.seconds += seconds

    def _find(self, request: BaseRequest, status: int) -> Times:
        if request.method not in METHODS or not isinstance(request, web.Request):
            return self._kind("other", UNKNOWN, status)
        route = request.match_info.route
        if route.resource is None:  # made anew for each request whose path or method is unknown
            return self._kind(request.method, UNKNOWN, status)
        times = self._known[route, status] = self._kind(route.method, route.resource.canonical, status)
        return times

    def _kind(self, method: str, route: str, status: int) -> Times:
        return self.kinds.setdefault((method, route, str(status)), Times())


REQUEST_TIMES = web.AppKey("REQUEST_TIMES", RequestTimes)


class _Sums(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: Sequence[int], seconds: float) -> None:
        """Add observations: how many by bucket, and their sum."""
        self._sum.inc(seconds)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class RequestDurations:
    """The times for Prometheus: one histogram by method, route and status."""

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        self._sums = _Sums(
            name,
            "Requests answered, by method, route and status.",
            ["method", "route", "status"],
            buckets=BOUNDS_S,
            registry=registry,
        )

    def take(self, times: RequestTimes) -> None:
        """Take over what was counted since the last time."""
        for labels, kind in times.kinds.items():
            self._sums.labels(*labels).add(*kind.fetch())
