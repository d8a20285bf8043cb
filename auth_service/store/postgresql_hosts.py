"""Selects the server to connect to if a URL names several.

asyncpg's time limit covers all of them together: a first one that takes connections and stays silent would keep the
others from ever being tried.
"""

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

CONNECT_TIMEOUT_S = 5
"""For the only host."""
HOST_TIMEOUT_S = 2
"""For each of several."""


class Connect:
    """Opens a connection. asyncpg reads the URLs: SQLAlchemy knows neither several hosts nor target_session_attrs.

    Attributes:
        is_pooled: whether a pooler was seen in front of a server, such as PgBouncer in transaction mode.
    """

    def __init__(self, dsn: str) -> None:
        """Connect to what *dsn* names, as libpq writes it.

        Raises:
            ValueError: it is no URL.
        """
        self._dsns = each_host(dsn)
        self._timeout_s = CONNECT_TIMEOUT_S if len(self._dsns) == 1 else HOST_TIMEOUT_S
        self._good = self._dsns[0]
        self.is_pooled = False

    async def __call__(self) -> Any:
        """Return an asyncpg connection to the first host that suits, beginning with the last that did.

        Raises:
            OSError: none does; the reason of the one that was tried last, or ``TimeoutError``.
        """
        for dsn in self._order()[:-1]:
            try:
                return await self._connect(dsn)
            except OSError:
                continue
        return await self._connect(self._order()[-1])

    def forget(self) -> None:
        """Begin with the first host of the URL again: the last good one takes no writes any more."""
        self._good = self._dsns[0]

    def _order(self) -> list[str]:
        return [self._good, *(dsn for dsn in self._dsns if dsn != self._good)]

    async def _connect(self, dsn: str) -> Any:
        import asyncpg

        try:
            connection = await self._unpooled(dsn) if not self.is_pooled else None
            connection = connection or await asyncpg.connect(dsn, timeout=self._timeout_s, statement_cache_size=0)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError) as exc:
            # Its text may quote the address with the password; the kind says what an operator needs.
            raise ConnectionError(type(exc).__name__) from None
        self._good = dsn
        return connection

    async def _unpooled(self, dsn: str) -> Any | None:
        """Return a connection on which statements stay prepared; None behind a pooler.

        There the next transaction may run on another connection to the server, which knows nothing of them.
        """
        import asyncpg

        connection = await asyncpg.connect(dsn, timeout=self._timeout_s)
        try:
            async with asyncio.timeout(self._timeout_s), connection.transaction():
                process = await (await connection.prepare("SELECT pg_backend_pid()", name="")).fetchval()
        except BaseException:
            connection.terminate()
            raise
        if process == connection.get_server_pid():
            return connection
        self.is_pooled = True  # PgBouncer and its like make the number up
        await connection.close(timeout=self._timeout_s)
        return None


def each_host(dsn: str) -> list[str]:
    """Return one URL for each host that *dsn* names; *dsn* alone, where only asyncpg can tell.

    Raises:
        ValueError: it is no URL.

    Source: libpq's connection URIs, https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    url = urlsplit(dsn)
    query = dict(parse_qsl(url.query, strict_parsing=True)) if url.query else {}
    if url.fragment:
        raise ValueError("a fragment: a password that is not escaped")
    if query.get("target_session_attrs") == "prefer-standby":
        return [dsn]  # whether a primary will do depends on the other hosts
    credentials, at, hosts = url.netloc.rpartition("@")
    if hosts:
        split = [url._replace(netloc=f"{credentials}{at}{host}") for host in hosts.split(",")]
        for one in split:
            _ = one.port  # what is no number may be part of a password that is not escaped
        return [one.geturl() for one in split]
    if "," not in query.get("host", ""):
        return [dsn]
    named = query["host"].split(",")
    ports = query.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(named)
    each = [query | {"host": host} | ({"port": port} if port else {}) for host, port in zip(named, ports, strict=True)]
    return [f"{dsn.partition('?')[0]}?{urlencode(one)}" for one in each]
