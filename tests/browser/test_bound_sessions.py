"""`silent-refresh.js`: sessions bound to a key of the browser (DPoP, RFC 9449)."""

import asyncio
import base64
import json
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext

from tests.browser.conftest import OpenTab, World
from tests.browser.gate import PREFIX, Gate
from tests.browser.tabs import DEADLINE_MS, Tab
from tests.system.processes import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK = (200, "zs")
_KEYS = """async (change) => {
  const opening = indexedDB.open("dualtoken", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
  const database = await new Promise((resolve) => { opening.onsuccess = () => resolve(opening.result); });
  const store = database.transaction("keys", "readwrite").objectStore("keys");
  const got = await new Promise((resolve) => {
    const request = store.getAll();
    request.onsuccess = () => resolve(request.result);
  });
  if (change === "clear") store.clear();
  else if (change) store.put(change.kept, change.name);
  await new Promise((resolve) => { store.transaction.oncomplete = resolve; });
  database.close();
  return got.flat();
}"""
REFUSED = {
    "no IndexedDB": "Object.defineProperty(window, 'indexedDB', { value: undefined })",
    "IndexedDB refused": "IDBFactory.prototype.open = () => { throw new DOMException('', 'SecurityError') }",
    "IndexedDB is stuck": "IDBFactory.prototype.open = () => ({})",
    "no room": "IDBObjectStore.prototype.put = () => { throw new DOMException('', 'QuotaExceededError') }",
    "keys cannot be stored": "IDBObjectStore.prototype.put = () => { throw new DOMException('', 'DataCloneError') }",
    "no keys": "SubtleCrypto.prototype.generateKey = () => Promise.reject(new DOMException('', 'NotSupportedError'))",
    "plain http": "Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined })",
}


def claims(proof: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and payload of a proof."""
    assert proof is not None
    header, payload = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in proof.split(".")[:2]
    )
    return header, payload


async def test_a_session_is_bound_to_a_key(open_tab: OpenTab, gate: Gate) -> None:
    """Log-in and each refresh carry a proof of one key, made for that very request; calls to services carry none."""
    tab = await open_tab()
    await tab.log_in()
    assert True is (await tab.status())["bound"]
    await tab.until_expired()
    async with tab.page.expect_request("**/home") as home:
        assert [OK] * 10 == await tab.fetch(10)

    [login, refresh] = [seen for seen in gate.seen if seen.proof]
    (first, opened), (second, renewed) = claims(login.proof), claims(refresh.proof)
    assert ("dpop+jwt", "ES256", first["jwk"]) == (first["typ"], first["alg"], second["jwk"])
    assert {"kty", "crv", "x", "y"} == set(first["jwk"])
    assert [("POST", str(gate.url / path)) for path in ("login", "refresh")] == [
        (payload["htm"], payload["htu"]) for payload in (opened, renewed)
    ]
    assert opened["jti"] != renewed["jti"]
    assert "dpop" not in await (await home.value).all_headers()


async def test_no_script_exports_the_key(open_tab: OpenTab) -> None:
    """A script of the page can use the key, and gets it out in no form."""
    tab = await open_tab()
    await tab.log_in()
    refused = await tab.page.evaluate(
        f"""async () => {{
             const [{{ privateKey }}] = await ({_KEYS})();
             const tries = ["jwk", "pkcs8", "raw"].map((form) => crypto.subtle.exportKey(form, privateKey));
             const outcomes = tries.map((one) => one.then(() => "out", (error) => error.name));
             return [privateKey.extractable, ...await Promise.all(outcomes)];
           }}"""
    )

    assert False is refused[0]
    assert "out" not in refused


@pytest.mark.parametrize("count", [2, 6])
async def test_tabs_prove_one_key(open_tab: OpenTab, gate: Gate, count: int) -> None:
    """However many tabs find the token expired, one refreshes; a tab that did not log in proves the same key."""
    tabs = [await open_tab() for _ in range(count)]
    await tabs[0].log_in()
    await asyncio.gather(*(tab.until("session.status.state === 'active'") for tab in tabs))
    await asyncio.gather(*(tab.until_expired() for tab in tabs))
    [login] = [seen for seen in gate.seen if seen.path == "/login" and seen.method == "POST"]
    others = gate.refreshes
    gate.reset()

    assert [[OK] * 8] * count == await asyncio.gather(*(tab.fetch(8) for tab in tabs))
    assert 1 == len(gate.refreshes)
    keys = {json.dumps(claims(seen.proof)[0]["jwk"]) for seen in [login, *others, *gate.refreshes] if seen.proof}
    assert 1 == len(keys)
    assert {True} == {(await tab.status())["bound"] for tab in tabs}


async def test_a_copied_cookie_is_worthless(
    open_tab: OpenTab, gate: Gate, world: World, context: BrowserContext, browser: Browser
) -> None:
    """In another profile the cookie gets `invalid_dpop_proof`: the thief must log in, and the owner goes on."""
    tab = await open_tab()
    await tab.log_in()
    elsewhere = await browser.new_context()
    elsewhere.set_default_timeout(DEADLINE_MS)
    await elsewhere.add_cookies(await context.cookies())  # type: ignore[arg-type] # what it returns is what it takes
    thief = Tab(await elsewhere.new_page(), str(gate.url), str(world.api))
    await thief.page.goto(str(world.page / "health/live"))
    gate.reset()
    await thief.create_session()
    stolen = await thief.status()
    await elsewhere.close()

    assert ("ended", "key_lost") == (stolen["state"], stolen["reason"])
    assert [400] == [seen.status for seen in gate.refreshes]
    await tab.until_expired()
    assert [OK] * 3 == await tab.fetch(3)


async def test_a_lost_key_means_one_log_in(open_tab: OpenTab, gate: Gate) -> None:
    """A browser that has lost the key says so once, by a reason of its own; after a log-in all is as before."""
    tab = await open_tab()
    await tab.log_in()
    await tab.page.evaluate(_KEYS, "clear")
    await tab.until_expired()
    gate.reset()

    assert [(0, "LoginRequired")] * 5 == await tab.fetch(5)
    assert [(0, "LoginRequired")] * 5 == await tab.fetch(5)
    assert 1 == len(gate.refreshes)
    assert ["no_session", "key_lost"] == await tab.page.evaluate("() => told")
    await tab.log_in()
    await tab.until_expired()
    assert [OK] * 5 == await tab.fetch(5)
    assert True is (await tab.status())["bound"]


@pytest.mark.parametrize("script", REFUSED.values(), ids=list(REFUSED))
async def test_where_keys_are_refused_a_session_is_unbound(
    open_tab: OpenTab, gate: Gate, context: BrowserContext, script: str
) -> None:
    """Without keys or a place for them, sessions work as before, and `status.bound` says what they are."""
    await context.add_init_script(script)
    tab = await open_tab()
    assert None is (await tab.status())["bound"]
    await tab.log_in()

    assert False is (await tab.status())["bound"]
    await tab.until_expired()
    assert [OK] * 3 == await tab.fetch(3)
    assert None is await tab.log_out()
    assert [None] == list({seen.proof for seen in gate.seen})


@pytest.mark.parametrize("kept", ["a text", [{}], {"length": 1}, [{"jwk": {"x": "a"}, "privateKey": "b"}]])
async def test_what_is_no_key_counts_as_none(open_tab: OpenTab, kept: object) -> None:
    """Another script's entry in the place of the keys costs a log-in, once, and no more."""
    tab = await open_tab()
    await tab.log_in()
    await tab.page.evaluate(_KEYS, {"name": tab.lock, "kept": kept})
    await tab.until_expired()

    assert [(0, "LoginRequired")] == await tab.fetch()
    assert "key_lost" == (await tab.status())["reason"]
    await tab.log_in()
    await tab.until_expired()
    assert [OK] * 3 == await tab.fetch(3)
    assert True is (await tab.status())["bound"]


async def test_binding_can_be_declined(open_tab: OpenTab, gate: Gate) -> None:
    """Where pages of several origins share a session, a page says that its sessions are not to be bound."""
    tab = await open_tab(bind=False)
    await tab.log_in()

    assert False is (await tab.status())["bound"]
    assert [None] == list({seen.proof for seen in gate.seen})


async def test_the_key_goes_with_the_session(open_tab: OpenTab, gate: Gate) -> None:
    """A wrong password leaves the key that was there; a log-out takes it, even one that reaches nobody."""
    tab = await open_tab()
    await tab.log_in()
    [before] = await tab.page.evaluate(_KEYS)
    await tab.log_in(password="not the password")
    [after] = await tab.page.evaluate(_KEYS)
    assert before["jwk"] == after["jwk"]

    gate.refuse = 1
    assert "AuthUnavailable" == await tab.log_out()
    assert [] == await tab.page.evaluate(_KEYS)


@pytest.mark.usefixtures("brief")
async def test_a_log_in_without_answer_leaves_both_keys(open_tab: OpenTab, gate: Gate) -> None:
    """Whether the lost answer had set its cookie or not, the key that it is bound to is there."""
    tab = await open_tab()
    await tab.log_in()
    gate.refuse = 1
    assert "AuthUnavailable" == await tab.log_in("mk")
    assert 2 == len(await tab.page.evaluate(_KEYS))

    await tab.until_expired()
    gate.reset()
    assert [OK] * 3 == await tab.fetch(3)
    assert [400, 200] == [seen.status for seen in gate.refreshes]
    await tab.until_expired()
    gate.reset()
    assert [OK] * 3 == await tab.fetch(3)
    assert [200] == [seen.status for seen in gate.refreshes]


@pytest.mark.usefixtures("brief")
async def test_a_wrong_clock_costs_one_repetition(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """A proof by a clock that is hours off is challenged once; the nonce is kept, and so are those that follow."""
    await context.add_init_script("{ const now = Date.now; Date.now = () => now() - 7_200_000; }")
    tab = await open_tab()
    await tab.log_in()
    assert [400, 200] == [seen.status for seen in gate.seen if seen.method == "POST" and seen.path == "/login"]

    for _ in range(2):
        await tab.until_expired()
        gate.reset()
        assert [OK] * 3 == await tab.fetch(3)
        assert [200] == [seen.status for seen in gate.refreshes]
        assert "nonce" in claims(gate.refreshes[0].proof)[1]
    assert True is (await tab.status())["bound"]


@pytest.mark.usefixtures("brief")
async def test_a_nonce_of_a_repeated_refresh_is_kept(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """The nonce that a reloaded page gets with its challenge counts for all that follow; the Idempotency-Key is one."""
    await context.add_init_script("{ const now = Date.now; Date.now = () => now() + 7_200_000; }")
    tab = await open_tab()
    await tab.log_in()
    await tab.page.reload()
    gate.reset()
    await tab.create_session()

    assert [400, 200] == [seen.status for seen in gate.refreshes]
    assert 1 == len({seen.key for seen in gate.refreshes})
    assert 2 == len({seen.proof for seen in gate.refreshes})
    await tab.until_expired()
    gate.reset()
    assert [OK] == await tab.fetch()
    assert [200] == [seen.status for seen in gate.refreshes]


async def test_a_late_nonce_restores_nothing(open_tab: OpenTab, gate: Gate, context: BrowserContext) -> None:
    """An answer with a nonce that comes after the log-out brings back neither key nor session."""
    await context.add_init_script("{ const now = Date.now; Date.now = () => now() - 7_200_000; }")
    tab = await open_tab()
    await tab.log_in()
    await tab.until_expired()
    gate.reset()
    gate.hold_answers("/refresh")
    await tab.page.evaluate("(url) => { window.call = session.fetch(url).catch((e) => e.name) }", tab.home)
    await gate.until_refreshes(1)
    await tab.page.evaluate("() => { window.leaving = session.logout() }")
    gate.answers.set()
    await tab.page.evaluate("() => leaving")

    assert "LoginRequired" == await tab.page.evaluate("() => call")
    assert ("ended", None) == ((await tab.status())["state"], (await tab.status())["bound"])
    assert [] == await tab.page.evaluate(_KEYS)
    assert [] == await context.cookies()


async def test_an_address_that_is_not_listed_leaves_a_session_unbound(open_tab: OpenTab, gate: Gate) -> None:
    """Where the auth service takes no proofs for its address, the log-in works, unbound, and the console says why."""
    told: list[str] = []
    tab = await open_tab()
    tab.page.on("console", lambda message: told.append(message.text))
    outcome = await tab.page.evaluate(
        """async ([authUrl, api, password]) => {
             const { createSession } = await import("/silent-refresh.js");
             const own = createSession({ authUrl, origins: [api] });
             await own.ready;
             await own.login("zs", password);
             return [own.status.bound, (await own.fetch(api + "/home")).status];
           }""",
        [str(gate.url / PREFIX), tab.api, PASSWORD],
    )

    assert [False, 200] == outcome
    assert 1 == len([text for text in told if "AUTH_DPOP_HTU" in text])
