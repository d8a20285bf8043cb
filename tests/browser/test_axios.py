"""`attach`: an axios instance with a session, in a real browser against both services."""

import json
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenTab, World
from tests.browser.gate import Gate
from tests.browser.npm_packages import PACKAGE, installed
from tests.browser.tabs import Tab
from tests.documentation.blocks import block
from tests.system.processes import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")
OK = [200, "zs"]
ADAPTERS = ["xhr", "fetch"]
_PREPARE = """async (adapter) => {
  window.axios = (await import("/vendor/axios.js")).default;
  const { attach } = await import("/axios.js");
  window.attach = attach;
  window.api = axios.create({ baseURL: window.apiUrl, adapter });
  window.detach = attach(api, session);
}"""
_CALL = """async ([count, path, config]) => {
  const settled = await Promise.allSettled(Array.from({ length: count }, () => api.request({ url: path, ...config })));
  return settled.map(({ value, reason }) => value ? [value.status, value.data?.data?.username ?? ""]
    : [reason.response?.status ?? 0, reason.code ?? reason.name]);
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def axios_tab(context: BrowserContext, world: World, gate: Gate) -> Tab:
    """Return a tab that is logged in, on a page that finds axios; ``prepare`` attaches the session to an instance."""
    await serve_axios(context)
    tab = Tab(await context.new_page(), str(gate.url), str(world.api))
    await tab.page.goto(str(world.page / "health/live"))
    await tab.page.evaluate("(url) => { window.apiUrl = url }", tab.api)
    await tab.create_session()
    await tab.log_in()
    return tab


async def serve_axios(context: BrowserContext) -> None:
    """Let the pages of a context import axios, and `attach` with it: what a bundler or an import map does."""
    vendor = installed() / "node_modules" / "axios" / "dist" / "esm" / "axios.js"
    own = (PACKAGE / "axios.js").read_text().replace('from "axios"', 'from "/vendor/axios.js"')
    await context.route("**/axios.js", lambda route: route.fulfill(content_type="text/javascript", body=own))
    await context.route("**/vendor/axios.js", lambda route: route.fulfill(path=vendor))  # asked before the one above


async def prepare(tab: Tab, adapter: str = "fetch") -> Tab:
    """Attach the tab's session to an axios instance."""
    await tab.page.evaluate(_PREPARE, adapter)
    return tab


async def call(tab: Tab, count: int = 1, path: str = "/home", **config: object) -> list[Any]:
    """Send requests at once; each gives (status, user), or (status or 0, the error's code or name)."""
    answers: list[Any] = await tab.page.evaluate(_CALL, [count, path, config])
    return answers


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_fifty_requests_cost_one_refresh(axios_tab: Tab, gate: Gate, adapter: str) -> None:
    """Fifty requests after the token has run out, and fifty with one that is refused: one refresh each time."""
    tab = await prepare(axios_tab, adapter)
    await tab.until_expired()
    gate.reset()

    assert [OK] * 50 == await call(tab, 50)
    assert 1 == len(gate.refreshes)
    await refuse_next(tab)
    gate.reset()
    assert [OK] * 50 == await call(tab, 50)
    assert 1 == len(gate.refreshes)


async def refuse_next(tab: Tab) -> None:
    """Let the resource service refuse the access token that the tab holds, by breaking its signature on the way."""
    await tab.page.route("**/home*", _broken_once(await tab.page.evaluate("() => session.token()")))


def _broken_once(token: str) -> Any:
    async def pass_on(route: Any) -> None:
        headers = await route.request.all_headers()
        if headers.get("authorization") == f"Bearer {token}":
            headers["authorization"] = f"Bearer {token[:-8]}AAAAAAAA"
        await route.continue_(headers=headers)

    return pass_on


SPOILERS = (
    "api.interceptors.response.use((r) => r, () => undefined)",
    "api.interceptors.response.use((r) => r, () => { throw new Error('mine') })",
    "api.defaults.validateStatus = () => true",
    "api.interceptors.request.use((config) => ({ ...config, transformResponse: [(text) => JSON.parse(text)] }))",
    "api.interceptors.response.use((r) => ({ ...r, status: r.status }))",
)


@pytest.mark.usefixtures("lasting")
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_no_interceptor_swallows_the_401(axios_tab: Tab, gate: Gate, adapter: str) -> None:
    """What else is set at the instance, interceptors that swallow errors included, sees the good answer alone."""
    seen = {}
    for spoiler in SPOILERS:
        tab = await prepare(axios_tab, adapter)  # a new instance
        await tab.page.evaluate(spoiler)
        await refuse_next(tab)
        gate.reset()
        seen[spoiler] = await call(tab, 3), len(gate.refreshes)

    assert dict.fromkeys(SPOILERS, ([OK] * 3, 1)) == seen


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_bodies_are_sent_again_whole(axios_tab: Tab, adapter: str) -> None:
    """JSON, forms, blobs and parameters arrive on the replay as they were sent first."""
    tab = await prepare(axios_tab, adapter)
    bodies = await tab.page.evaluate(
        """async () => {
             const seen = [];
             const inner = axios.getAdapter(api.defaults.adapter);
             const form = new FormData();
             form.append("a", "b");
             for (const data of [{ a: 1 }, "text", new URLSearchParams({ a: "1" }), form, new Blob(["blob"])]) {
               let first = true;
               await api.post("/echo", data, { params: { p: 1 }, adapter: async (config) => {
                 const body = await new Response(config.data).text();
                 seen.push(body.replace(/[-]{4}.*/g, ""));
                 if (!first) return { status: 200, data: "", headers: {}, config };
                 first = false;
                 throw new axios.AxiosError("refused", "X", config, null, { status: 401, headers: {}, config });
               } });
             }
             return seen;
           }"""
    )

    assert bodies[0::2] == bodies[1::2]
    assert ['{"a":1}', "text", "a=1"] == bodies[0:6:2]
    assert [True, "blob"] == ['name="a"' in bodies[6], bodies[8]]


@pytest.mark.usefixtures("lasting")
async def test_a_stream_is_never_sent_empty(axios_tab: Tab, gate: Gate) -> None:
    """A stream that met a 401 is NotReplayable, with the token renewed; one that comes back is read as ever."""
    tab = await prepare(axios_tab)
    await refuse_next(tab)
    gate.reset()
    refused = await tab.page.evaluate(
        """async () => {
             const data = new Blob(["streamed"]).stream();
             const adapter = async (config) => {
               throw new axios.AxiosError("refused", "X", config, null, { status: 401, headers: {}, config });
             };
             return api.post("/echo", data, { adapter }).catch((error) => error.name);
           }"""
    )
    streamed = await tab.page.evaluate(
        """async () => {
             const { data } = await api.get("/home", { responseType: "stream" });
             return JSON.parse(await new Response(data).text()).data.username;
           }"""
    )

    assert ["NotReplayable", "zs"] == [refused, streamed]
    assert 1 == len(gate.refreshes)


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_giving_up_is_axioss_own(axios_tab: Tab, gate: Gate, adapter: str) -> None:
    """A request that is aborted, by signal or cancel token, or late while it waits for a refresh ends as ever."""
    tab = await prepare(axios_tab, adapter)
    await tab.until_expired()
    gate.reset()
    gate.hold_answers()
    await tab.page.evaluate(
        """() => {
             window.impatient = new AbortController();
             window.source = axios.CancelToken.source();
             const codes = [{ signal: impatient.signal }, { cancelToken: source.token }, { timeout: 300 }, {}]
               .map((config) => api.get("/home", config).then((r) => r.status, (e) => [axios.isCancel(e), e.code]));
             window.codes = Promise.all(codes);
             window.late = codes[2];
           }"""
    )
    await gate.until_refreshes(1)
    late = await tab.page.evaluate("() => late")
    await tab.page.evaluate("() => { impatient.abort(); source.cancel() }")
    gate.answers.set()

    assert [False, "ECONNABORTED"] == late
    assert [[True, "ERR_CANCELED"]] * 2 + [late, 200] == await tab.page.evaluate("() => codes")
    assert 1 == len(gate.refreshes)


@pytest.mark.usefixtures("lasting")
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_who_gets_a_token(axios_tab: Tab, world: World, adapter: str) -> None:
    """The session's origins alone; a request with an Authorization or credentials of its own keeps them.

    What an interceptor makes of the address counts.
    """
    tab = await prepare(axios_tab, adapter)
    sent: dict[str, str | None] = {}

    def note(request: Any) -> None:
        sent[request.url.rpartition("?")[2]] = request.headers.get("authorization")

    tab.page.on("request", note)
    await tab.page.evaluate(
        """async (page) => {
             const settled = [
               api.get("/home?plain"),
               api.get("/home?own", { headers: { Authorization: "Bearer mine" } }),
               api.get("/home?basic", { auth: { username: "a", password: "b" } }),
               api.get(`${page}/health/live?foreign`),
             ];
             await Promise.allSettled(settled);
             const dropping = api.interceptors.request.use((config) => ({ ...config, baseURL: undefined }));
             await api.get("/health/live?dropped").catch(() => {});
             api.interceptors.request.eject(dropping);
             detach();
             await api.get("/home?detached").catch(() => {});
           }""",
        str(world.page.origin()),
    )
    token = await tab.page.evaluate("() => session.token()")

    assert {
        "plain": f"Bearer {token}", "own": "Bearer mine", "basic": "Basic YTpi",
        "foreign": None, "dropped": None, "detached": None,
    } == {name: sent[name] for name in ("plain", "own", "basic", "foreign", "dropped", "detached")}  # fmt: skip


@pytest.mark.usefixtures("lasting")
async def test_a_timeout_that_is_no_time_is_none(axios_tab: Tab) -> None:
    """As the transport itself has it."""
    tab = await prepare(axios_tab, "xhr")

    assert [OK] == await call(tab, timeout=-1)


@pytest.mark.usefixtures("lasting")
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_errors_quote_no_token(axios_tab: Tab, adapter: str) -> None:
    """What axios hands to logs, answers and errors alike, holds the request as the page made it."""
    tab = await prepare(axios_tab, adapter)
    broken = {"authorization": "Bearer x"}
    await tab.page.route("**/home?refused", lambda route: route.continue_(headers={**route.request.headers, **broken}))
    texts = await tab.page.evaluate(
        """async () => {
             const error = await api.get("/home?refused").catch((error) => error);
             const answer = await api.get("/home");
             const told = [error.config, error.response.config, error.toJSON(), answer.config];
             return [await session.token(), error.response.status, ...told.map((one) => JSON.stringify(one))];
           }"""
    )

    assert 401 == texts[1]
    assert [] == [text for text in texts[2:] if texts[0] in text or "Bearer" in text]


async def test_the_end_of_a_session_is_told_as_such(axios_tab: Tab, gate: Gate) -> None:
    """Without a session a request is LoginRequired, and is not sent."""
    tab = await prepare(axios_tab)
    await tab.log_out()
    gate.reset()

    assert [[0, "LoginRequired"]] * 3 == await call(tab, 3)
    assert [] == gate.seen


@pytest.mark.usefixtures("lasting")
async def test_a_service_that_refuses_every_token_costs_one_refresh(axios_tab: Tab, gate: Gate) -> None:
    """Requests to it get their own 401."""
    tab = await prepare(axios_tab)
    await tab.page.route(
        "**/home*", lambda route: route.continue_(headers={**route.request.headers, "authorization": "Bearer x"})
    )
    gate.reset()

    assert [[401, "ERR_BAD_REQUEST"]] * 30 == await call(tab, 30)
    assert [[401, "ERR_BAD_REQUEST"]] == await call(tab)
    assert 1 == len(gate.refreshes)


async def test_the_lines_of_the_page(axios_tab: Tab, gate: Gate) -> None:
    """As docs/frameworks.md has them, but for addresses: log in, and call."""
    text = block("docs/frameworks.md: Client: axios").text
    files = {"axios": "/vendor/axios.js", "dualtoken": "/silent-refresh.js", "dualtoken/axios": "/axios.js"}
    for name, file in files.items():
        text = text.replace(f'from "{name}"', f'from "{file}"')
    text = text.replace("https://auth.example", str(gate.url)).replace("https://api.example", axios_tab.api)
    module = f"const password = {json.dumps(PASSWORD)};{text}export {{ data }};"
    await axios_tab.page.route("**/lines.js", lambda route: route.fulfill(content_type="text/javascript", body=module))
    told = await axios_tab.page.evaluate("async () => (await import('/lines.js')).data")

    assert "zs" == told["data"]["username"]


async def test_what_attach_cannot_use_is_told_at_once(axios_tab: Tab) -> None:
    """No axios, one without an adapter for browsers, one that has a session already: one clear error each."""
    tab = await prepare(axios_tab)
    told = await tab.page.evaluate(
        """() => {
             const told = (instance) => {
               try {
                 attach(instance, session);
                 return "attached";
               } catch (error) {
                 return `${error.name}: ${error.message}`;
               }
             };
             const withoutAdapter = ["http", []].map((adapter) => axios.create({ adapter }));
             return [null, {}, window.fetch, ...withoutAdapter, api].map(told);
           }"""
    )

    assert ["TypeError: attach: this is no axios instance"] * 3 == told[:3]
    assert ["TypeError: attach: this axios has no adapter that works here: give it fetch or xhr"] * 2 == told[3:5]
    assert "TypeError: attach: this axios instance has a session already" == told[5]


async def test_a_body_that_was_read_is_told_as_such(axios_tab: Tab, open_tab: OpenTab) -> None:
    """A Request whose body is gone is NotReplayable; a 401 that a transport has read for itself is replayed."""
    del open_tab
    told = await axios_tab.page.evaluate(
        """async (api) => {
             const { createSession } = await import("/silent-refresh.js");
             const spent = new Request(api + "/echo", { method: "POST", body: "x" });
             await spent.text();
             const first = await session.fetch(spent).catch((error) => error.name);
             const statuses = [401, 200];
             const own = createSession({ authUrl, origins: [api], fetch: async (input, init) => {
               if (!(input instanceof Request)) return fetch(input, init);
               const answer = new Response("{}", { status: statuses.shift() });
               if (answer.status === 401) answer.body.getReader();
               return answer;
             } });
             return [first, (await own.fetch(api + "/home")).status];
           }""",
        axios_tab.api,
    )

    assert ["NotReplayable", 200] == told
