"""W3C Trace Context: what callers send is taken up, and every call to another service carries it on."""

import asyncio
import contextlib
import json
import re

import pytest
from aiohttp import web
from multidict import CIMultiDict

from dualtoken.resource_service.keys.jwks_url import JwksUrl
from dualtoken.resource_service.keys.refresher import Keys
from dualtoken.resource_service.revocation.feed_client import RevocationFeed
from dualtoken.resource_service.revocation.follower import Follower
from dualtoken.resource_service.verification.revoked_sessions import RevokedSessions
from dualtoken_serving.tracing import Trace, current, outgoing, received, working_on
from tests.deadline import HANGS_S
from tests.resource_service.issuer import Key
from tests.resource_service.services import serving

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
FORM = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]")
PUBLIC = Key(alg="EdDSA")


@pytest.mark.parametrize(
    ("sent", "sampled"),
    [(f"00-{ID}-{PARENT}-01", True), (f"00-{ID}-{PARENT}-00", False), (f"cc-{ID}-{PARENT}-03-what-comes", True)],
)
def test_the_callers_trace_goes_on(sent: str, sampled: bool) -> None:
    """Id, the sampled flag and the state are the caller's, also in a later version of the header."""
    assert Trace(ID, sampled, "rojo=1") == received(CIMultiDict({"traceparent": sent, "tracestate": "rojo=1"}))


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "x",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"ff-{ID}-{PARENT}-01",
        f"00-{ID.upper()}-{PARENT}-01",
        f"00-{ID}-{PARENT}-01\n",
        f"00-{ID}-{PARENT}-01-",
        f"00-{ID}-{PARENT}-01-what-comes",
        f"00-{ID[:-1]}-{PARENT}-01",
    ],
)
def test_what_is_no_trace_begins_one(sent: str) -> None:
    """A malformed header counts as none, and its state does not travel."""
    trace = received(CIMultiDict({"traceparent": sent, "tracestate": "rojo=1"}))

    assert (32, "", False) == (len(trace.id), trace.state, trace.sampled)
    assert trace.id not in {ID, "0" * 32}


def test_of_several_traces_none_goes_on() -> None:
    """Who else reads the request might take the other one."""
    parents = [("traceparent", f"00-{ID}-{PARENT}-01")] * 2

    assert ID != received(CIMultiDict(parents)).id


def test_a_state_in_several_headers_is_one() -> None:
    """Each vendor's part travels, in the order in which they came."""
    headers = [("traceparent", f"00-{ID}-{PARENT}-01"), ("tracestate", "a=1"), ("tracestate", "b=2")]

    assert "a=1,b=2" == received(CIMultiDict(headers)).state


@pytest.mark.parametrize("state", ["a" * 513, "a=\udcff", "a=é", "a=\x7f"])
def test_a_state_that_could_not_be_sent_is_dropped(state: str) -> None:
    """No caller makes this service send headers without bound, or such as no header can be."""
    assert Trace(ID, sampled=True) == received(
        CIMultiDict({"traceparent": f"00-{ID}-{PARENT}-01", "tracestate": state})
    )


def test_each_call_is_a_parent_of_its_own() -> None:
    """The trace stays, the parent is new for each call, the flag and the state are handed on."""
    with working_on(received(CIMultiDict({"traceparent": f"00-{ID}-{PARENT}-01", "tracestate": "rojo=1"}))):
        calls = [outgoing(), outgoing()]
    found = [FORM.fullmatch(call["traceparent"]) for call in calls]

    assert [ID, ID] == [match and match[1] for match in found]
    assert 3 == len({match and match[2] for match in found} | {PARENT})
    assert ["rojo=1", "rojo=1"] == [call["tracestate"] for call in calls]
    assert ({}, None) == (outgoing(), current())


async def test_the_key_set_is_asked_for_under_the_trace_of_who_needs_it() -> None:
    """A token of an unknown key makes the service look: that look belongs to its request; the others to none."""
    sent: list[str] = []

    async def jwks(request: web.Request) -> web.Response:
        sent.append(request.headers.get("traceparent", ""))
        return web.Response(text=json.dumps({"keys": [PUBLIC.jwk]}))

    app = web.Application()
    app.router.add_get("/jwks.json", jwks)
    async with serving(app) as url:
        keys = Keys(JwksUrl(str(url / "jwks.json"), interval_s=3600), lambda _keys: None)
        watch = asyncio.create_task(keys.watch())
        with working_on(Trace(ID, sampled=True)):
            await asyncio.wait_for(keys.newer(), HANGS_S)
        await asyncio.wait_for(keys.newer(), HANGS_S)
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
    found = [FORM.fullmatch(value) for value in sent]

    assert [True, True] == [match is not None for match in found]
    assert [True, False] == [match is not None and match[1] == ID for match in found]


async def test_each_question_to_the_feed_is_a_trace() -> None:
    """The auth service can tell by its log which question it answered."""
    sent: asyncio.Queue[str] = asyncio.Queue()

    async def revocations(request: web.Request) -> web.Response:
        sent.put_nowait(request.headers.get("traceparent", ""))
        return web.json_response({"cursor": "1", "revoked": [{"sid": "s", "revoked_at": 0, "reason": "logout"}]})

    app = web.Application()
    app.router.add_get("/revocations", revocations)
    async with serving(app) as url:
        follower = Follower(RevocationFeed(str(url / "revocations"), "secret"), RevokedSessions(3600))
        following = asyncio.create_task(follower.follow())
        values = [await asyncio.wait_for(sent.get(), HANGS_S) for _ in range(2)]
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
    ids = {match[1] for match in map(FORM.fullmatch, values) if match}

    assert 2 == len(ids)
