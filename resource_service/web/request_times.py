"""How long requests take, by route: counted in plain numbers, which ``/metrics`` fetches."""

from bisect import bisect_left

from aiohttp import web
from aiohttp.web_request import BaseRequest

from resource_service.metrics import BOUNDS_S, Labels, Times

METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
UNKNOWN = "none"
"""The route of a path that is none of this service's, or of bytes that are no request."""


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
        labels = (method, route, f"{status // 100}xx")
        times = self.kinds.get(labels)
        if times is None:
            times = self.kinds[labels] = Times()
        return times


REQUEST_TIMES = web.AppKey("REQUEST_TIMES", RequestTimes)
