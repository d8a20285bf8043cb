"""PostgreSQL with a streaming standby: a primary that dies, a standby that takes over."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.deadline import HANGS_S
from tests.postgresql import Cluster, clusters
from tests.system.deployment import Postgres
from tests.system.eventually import eventually
from tests.system.proxy import Proxy


@dataclass(kw_only=True)
class Replicated(Postgres):
    """A primary and its standby under one address; ``cluster`` is the one that takes writes.

    ``link`` carries the replication; cut, it makes the standby miss what the primary commits.
    """

    standby: Cluster
    link: Proxy

    async def caught_up(self) -> None:
        """Return when the standby has all that the primary has committed."""
        query = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()"
        await eventually(lambda: self.cluster.execute(query) == "1")

    async def fail_over(self) -> None:
        """SIGKILL the primary, for good, and promote the standby."""
        await asyncio.to_thread(self.cluster.kill)
        await asyncio.to_thread(self.standby.promote)
        self.cluster = self.standby


@asynccontextmanager
async def replicated(*, synchronous: bool) -> AsyncIterator[Replicated]:
    """Yield a primary with a standby that streams from it; synchronous: a commit waits until both have it."""
    with clusters(2) as (primary, standby):
        async with Proxy(lambda: [primary.port], random.Random(0)) as link:
            await asyncio.to_thread(_replicate, primary, standby, link.port)
            if synchronous:
                primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()")
            await asyncio.to_thread(_wait_until_streaming, primary, "sync" if synchronous else "async")
            hosts = ",".join(f"127.0.0.1:{cluster.port}" for cluster in (primary, standby))
            url = f"postgresql://postgres@{hosts}/auth?target_session_attrs=read-write"
            yield Replicated(primary, url, standby=standby, link=link)


def _replicate(primary: Cluster, standby: Cluster, link_port: int) -> None:
    primary.initialise().start().execute("CREATE DATABASE auth")
    standby.copy_of(primary, "standby")
    standby.settings["primary_conninfo"] = f"host=127.0.0.1 port={link_port} user=postgres application_name=standby"
    standby.start()


def _wait_until_streaming(primary: Cluster, sync_state: str) -> None:
    deadline = time.monotonic() + HANGS_S
    query = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
    while (state := primary.execute(query)) != sync_state:
        assert time.monotonic() < deadline, f"the standby is {state or 'not connected'}"
        time.sleep(0.05)  # the server offers nothing to wait on
