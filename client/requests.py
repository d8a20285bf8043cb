"""BearerAuth for requests: ``requests.get(url, auth=BearerAuth(tokens, origins=[…]))``."""

import inspect
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from yarl import URL

from .errors import ConfigurationError, NotReplayable
from .http_libraries import needed
from .replays import Replays
from .sync import TokenSource
from .wire.url_policy import Origin, origin, origins

with needed("requests", (2, 28), by=__name__):
    import requests
    from requests.auth import AuthBase

_CHALLENGE = "WWW-Authenticate"
_WHOLE = str | bytes | bytearray | memoryview  # a body that can be sent any number of times


class BearerAuth(AuthBase):
    """Signs requests to *origins*, and repeats them if the token is refused.

    Leaves a caller's own ``Authorization`` alone. requests takes the header off where a redirect leaves the host; such
    an answer is the caller's.

    Args:
        tokens: a :class:`dualtoken.client.sync.TokenSource`, which any number of threads may share.
        origins: who may see a token, as ``scheme://host[:port]``.
        allow_insecure: permit plain http to a host that is not this machine.

    Raises:
        ConfigurationError: no origin, or one that is none or would expose tokens; a source for coroutines.
    """

    def __init__(self, tokens: TokenSource, *, origins: Collection[str | URL], allow_insecure: bool = False) -> None:
        if inspect.iscoroutinefunction(tokens.token):
            raise ConfigurationError("requests needs dualtoken.client.sync.TokenSource, which threads can share")
        self._tokens = tokens
        self._origins = _origins(origins, allow_insecure=allow_insecure)
        self._replays = Replays(tokens)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign *request*, if it may be.

        Raises:
            LoginRequired, RefreshUnavailable, RefreshRejected: there is no token to be had.
        """
        if _origin(request) in self._origins and "Authorization" not in request.headers:
            token = self._tokens.token()
            request.headers["Authorization"] = f"Bearer {token}"
            request.register_hook("response", partial(self._answered, token, _position(request.body)))
        return request

    def _answered(
        self, token: str, began_at: int | None, response: requests.Response, **options: Any
    ) -> requests.Response:
        """Repeat the request while that may help.

        Raises:
            NotReplayable: a 401 met a body that cannot be sent twice; the token has been renewed.
        """
        replays, last = 0, ""
        while self._is_repeated(response, token, last, replays):
            # Read to its end, so that the connection is free, for the repetition or, where no token comes, for others.
            with suppress(RuntimeError, requests.RequestException):  # taken before, or broken off: it is of no use
                _ = response.content
            response.close()
            last, token = token, self._tokens.token(rejected=token)
            replays += 1
            response = _repeated(response, token, began_at, options)
        return response

    def _is_repeated(self, response: requests.Response, token: str, last: str, replays: int) -> bool:
        is_refused = response.status_code == HTTPStatus.UNAUTHORIZED
        if not is_refused and not self._replays.refusing:
            return False
        request = response.request
        # A redirect has led elsewhere, and the token was taken off: nobody has refused it.
        if _origin(request) not in self._origins or request.headers.get("Authorization") != f"Bearer {token}":
            return False
        service, path = _origin(request), URL(request.url or "").raw_path
        if not is_refused:
            self._replays.accepted(service, path, replays)
            return False
        challenges = [response.headers[_CHALLENGE]] if _CHALLENGE in response.headers else []
        return self._replays.may_mend(challenges, service, path, token=token, last=last, replays=replays)


_origins = origins  # the parameter of the same name hides it


def _origin(request: requests.PreparedRequest) -> Origin:
    return origin(URL(request.url or ""))


def _position(body: Any) -> int | None:
    """Return where a file begins to be read; None for what has no place to go back to, or needs none."""
    if body is None or isinstance(body, _WHOLE):
        return None
    try:
        return int(body.tell())
    except (AttributeError, OSError):
        return None


def _repeated(
    response: requests.Response, token: str, began_at: int | None, options: dict[str, Any]
) -> requests.Response:
    request = response.request.copy()
    body: Any = request.body
    if body is not None and not isinstance(body, _WHOLE):
        # An iterator that has been sent would be sent empty now, and the server would say 200.
        if began_at is None:
            problem = f"{request.method} {request.path_url} was answered 401, and its body cannot be sent twice"
            raise NotReplayable(f"{problem}: create it again and repeat the call")
        body.seek(began_at)
    request.headers["Authorization"] = f"Bearer {token}"
    repeated: requests.Response = response.connection.send(request, **options)
    repeated.history.append(response)
    repeated.request = request
    return repeated
