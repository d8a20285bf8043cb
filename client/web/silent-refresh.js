/**
 * Sessions of short access tokens for web pages: renewed before anybody notices, once for all tabs of an origin.
 *
 *     const session = createSession({ authUrl: "https://auth.example", origins: ["https://api.example"] });
 *     await session.login(name, password);
 *     const response = await session.fetch("https://api.example/home");
 *
 * The access token lives in memory. The refresh token lives in an HttpOnly cookie: this module never sees it.
 *
 * What tabs share:
 *   a Web Lock          held over each refresh, log-in and log-out, so that the cookie changes in one order
 *   a BroadcastChannel  hands a new access token to the other tabs, and the end of a session
 *   localStorage        the Idempotency-Key of the refresh under way (worth nothing without the cookie), and a log-out
 *                       that did not reach the auth service yet
 *
 * @module
 */

/** @typedef {{username: string, email: string}} User */
/**
 * @typedef {object} Lease  An access token. Times in milliseconds of `performance.now()`.
 * @property {string} accessToken
 * @property {string} id  tells this token from others, and is no secret
 * @property {User} user
 * @property {string} scope
 * @property {number} renewAt  from here on it is renewed in the background
 * @property {number} expiresAt
 * @property {number} refreshExpiresAt
 */
/**
 * @typedef {object} Status
 * @property {"restoring" | "active" | "ended" | "unreachable"} state  `unreachable`: nobody knows yet whether there is
 *     a session, because the auth service does not answer; the next `fetch` or `restore` asks again
 * @property {User | null} user
 * @property {number | null} expiresInMs  of the access token
 * @property {number | null} refreshExpiresInMs  of the session, if nothing renews it
 * @property {boolean} refreshing
 * @property {string | null} reason  why the session ended
 * @property {SessionError | null} problem  why the last refresh failed, if it did
 */
/**
 * @typedef {object} Options
 * @property {string} authUrl  base address of the auth service
 * @property {string[]} origins  who gets the access token: exact origins, https unless local
 * @property {(error: LoginRequired) => void} [onLoginRequired]  the session has ended, or there is none
 * @property {(renewed: {user: User, expiresInMs: number, by: "this tab" | "another tab"}) => void} [onRefresh]
 * @property {(status: Status) => void} [onChange]  after every change of `status`, but for the passing of time
 * @property {typeof fetch} [fetch]  sends requests
 * @property {number} [timeoutMs]  for one refresh, its retries included
 * @property {number} [overdueMs]  how long another tab may keep the lock before it counts as frozen
 */

/** Base of everything that this module throws on purpose. No message holds a token, a password or a body. */
export class SessionError extends Error {
  get name() {
    return this.constructor.name;
  }
}
/** The auth service knows no such user and password. */
export class InvalidCredentials extends SessionError {}
/**
 * There is no session, or it has ended. `reason`: `no_session`, `logged_out`, or what the auth service says: `expired`,
 * `revoked`, `reused`, `unknown`, `malformed`.
 */
export class LoginRequired extends SessionError {
  /** @param {string} reason */
  constructor(reason) {
    super(`login required: ${reason}`);
    this.reason = reason;
  }
}
/**
 * No answer, or 429, or 5xx: nothing is lost, try again. A browser reports an origin that the auth service does not
 * allow in the same way. `retryAfterMs`: how long the service asks to wait, or null.
 */
export class AuthUnavailable extends SessionError {
  /** @param {string} message @param {number | null} [retryAfterMs] */
  constructor(message, retryAfterMs = null) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}
/** The auth service answers something that makes no sense: a matter for its operator. */
export class AuthRejected extends SessionError {}
/** A 401 met a streamed body. The token has been renewed: make the body anew and repeat the call. */
export class NotReplayable extends SessionError {}
/** Another user has logged in, in this tab or another, while the call waited: it was not sent in that name. */
export class UserChanged extends SessionError {}

const RENEW_FRACTION = 0.1; // of a token's life: renewed ahead of expiry, nobody waits
const RENEW_MAX_MS = 60_000;
const MIN_USE_MS = 1_000; // a token that just came is not renewed for its age
const BACKGROUND_PAUSE_MS = 5_000; // after a background refresh that failed
const BACKOFF_MS = [250, 500, 1_000, 2_000, 4_000];
const NEWS_MS = 2_000; // for a message that is known to be on its way
const MARK_MS = 5_000;
const KNOWN_IDS = 32;
const UNNEEDED = "unneeded";
const OVERDUE = "overdue";

/**
 * @param {Options} options
 */
export function createSession(options) {
  const authUrl = checkedUrl(options.authUrl).href.replace(/\/+$/, "");
  const origins = new Set(options.origins.map((origin) => checkedUrl(origin).origin));
  const send = options.fetch ?? ((...request) => fetch(...request));
  const timeoutMs = options.timeoutMs ?? 15_000;
  const overdueMs = options.overdueMs ?? timeoutMs + 5_000;
  const name = `dualtoken ${authUrl}`;
  const journal = storedText(`${name} idempotency-key`);
  const unfinishedLogout = storedText(`${name} logout`);
  const channel = new BroadcastChannel(name);
  const locks = navigator.locks; // undefined in old browsers, and where the page came by plain http

  /** @type {Lease | null} */ let held = null;
  /** @type {string | null} */ let ended = null; // held and ended both null: not known
  /** @type {SessionError | null} */ let problem = null;
  /** @type {Promise<void> | null} */ let flight = null;
  /** @type {(why: unknown) => void} */ let stopWaiting = () => {};
  /** @type {Set<string>} */ const known = new Set(); // ids of tokens that were here
  let restoring = true;
  let notBefore = 0; // the auth service has asked to be left alone until then
  let backgroundNotBefore = 0;
  let era = 0; // a log-in or log-out begins a new one: what was under way before must not write into it

  // ---- what the page calls

  /**
   * Open a session. Those of other tabs change with it.
   * @param {string} username @param {string} password @returns {Promise<User>}
   * @throws {InvalidCredentials | AuthUnavailable | AuthRejected}
   */
  async function login(username, password) {
    const body = JSON.stringify({ username, password, cookie: true });
    const lease = await exclusively(async () => {
      if (unfinishedLogout.read()) await tellOfLogout().catch(() => {}); // else nobody could end that session any more
      const askedAt = performance.now();
      const { status, answer, retryAfterMs } = await post("/login", { body, json: true });
      if (status === 401) throw new InvalidCredentials("user name or password is wrong");
      if (passing(status)) throw new AuthUnavailable(`login: ${status}`, retryAfterMs);
      const lease = leaseOf(status, answer, askedAt);
      era += 1;
      journal.clear(); // its key belongs to the cookie that was there before
      unfinishedLogout.clear();
      install(lease);
      await publish("login", lease);
      return lease;
    });
    return lease.user;
  }

  /**
   * End the session: here and in the other tabs at once, then at the auth service. If that cannot be reached, the next
   * load of the page tells it, and restores nothing.
   * @param {{everywhere?: boolean}} [scope]
   * @throws {AuthUnavailable | AuthRejected} logged out here; the auth service does not know yet
   */
  async function logout({ everywhere = false } = {}) {
    unfinishedLogout.write(everywhere ? "everywhere" : "here");
    end("logged_out", { told: true });
    channel.postMessage({ kind: "ended", reason: "logged_out" });
    const begun = era;
    await exclusively(async () => {
      // After a log-in in another tab the cookie is that one's; it has ended the session that was there before.
      if (begun === era) await tellOfLogout(everywhere);
    });
  }

  /**
   * `fetch` with the access token for allowed origins, and without it for others. Renews an expired token first, and a
   * refused one once. A call with an Authorization of its own is left alone.
   * @param {RequestInfo | URL} input @param {RequestInit} [init] @returns {Promise<Response>}
   * @throws {LoginRequired | AuthUnavailable | AuthRejected | NotReplayable | UserChanged}
   */
  async function authorizedFetch(input, init) {
    const request = new Request(input, init);
    if (!origins.has(new URL(request.url).origin) || request.headers.has("Authorization")) return send(request);
    const streamed = init?.body instanceof ReadableStream;
    await abortable(ready, request.signal);
    const owner = held?.user.username;
    const first = await usableLease(owner, request.signal);
    const response = await send(signed(streamed ? request : request.clone(), first));
    if (response.status !== 401 || !asksForNewToken(response)) return response;
    await response.body?.cancel(); // the connection is free for the refresh
    const second = await leaseAfter(first, owner ?? first.user.username, request.signal);
    if (streamed) throw new NotReplayable("a streamed body cannot be sent twice; the token has been renewed");
    return send(signed(request, second));
  }

  /** Ask again whether there is a session. @returns {Promise<Status>} */
  async function restore() {
    restoring = true;
    changed();
    try {
      if (unfinishedLogout.read()) {
        end("logged_out");
        await exclusively(() => tellOfLogout());
      } else {
        await refreshOnce();
      }
    } catch (error) {
      if (!(error instanceof SessionError)) throw error; // a defect of this module; the rest stands in `status`
    } finally {
      restoring = false;
      changed();
    }
    return status();
  }

  /** @returns {Status} */
  function status() {
    const now = performance.now();
    return Object.freeze({
      state: restoring ? "restoring" : held ? "active" : ended ? "ended" : "unreachable",
      user: held?.user ?? null,
      expiresInMs: held && Math.max(0, held.expiresAt - now),
      refreshExpiresInMs: held && Math.max(0, held.refreshExpiresAt - now),
      refreshing: flight !== null,
      reason: ended,
      problem,
    });
  }

  // ---- which token a call gets

  /** @param {string | undefined} owner @param {AbortSignal} signal */
  async function usableLease(owner, signal) {
    const now = performance.now();
    if (held && now < held.renewAt) return held;
    if (held && now < held.expiresAt) {
      if (!flight && now >= Math.max(backgroundNotBefore, notBefore)) refreshInBackground();
      return held;
    }
    return leaseAfter(held, owner, signal);
  }

  /**
   * Return a token other than *refused*: perhaps a late 401 met one that has been replaced already.
   * @param {Lease | null} refused @param {string | undefined} owner @param {AbortSignal} signal
   */
  async function leaseAfter(refused, owner, signal) {
    // Who gives up harms nobody: the refresh is everybody's.
    if (ended === null && (held === refused || !isFresh(held))) await abortable(refreshOnce(), signal);
    if (!held) throw new LoginRequired(ended ?? "no_session");
    if (owner !== undefined && owner !== held.user.username) throw new UserChanged("another user has logged in");
    return held;
  }

  /** @param {Lease | null} lease */
  function isFresh(lease) {
    return lease !== null && performance.now() < lease.expiresAt;
  }

  // ---- the one refresh

  function refreshOnce() {
    flight ??= refresh().finally(() => {
      flight = null;
      changed();
    });
    changed();
    return flight;
  }

  function refreshInBackground() {
    refreshOnce().catch(() => {
      backgroundNotBefore = performance.now() + BACKGROUND_PAUSE_MS; // calls go on with what there is; `status` knows
    });
  }

  async function refresh() {
    const [before, begun] = [held, era];
    const unneeded = new AbortController();
    stopWaiting = (why) => unneeded.abort(why);
    const adopted = () => held !== before && isFresh(held);
    try {
      await exclusively(async () => {
        if (begun === era && !adopted() && !(await adoptMarked(adopted))) await renew(before, begun);
      }, unneeded.signal);
      problem = null;
    } catch (error) {
      if (error === UNNEEDED) return;
      if (error instanceof LoginRequired && begun === era) {
        end(error.reason);
        channel.postMessage({ kind: "ended", reason: error.reason });
      } else if (error instanceof SessionError) {
        problem = error;
      }
      throw error;
    } finally {
      stopWaiting = () => {};
    }
  }

  /** Ask the auth service, with the lock in hand. @param {Lease | null} before @param {number} begun */
  async function renew(before, begun) {
    const left = notBefore - performance.now();
    if (left > 0) throw new AuthUnavailable("refresh: the auth service asks to be left alone", left);
    // A key that stands there was sent by a tab that never heard the answer: the same refresh is repeated.
    const key = locks ? (journal.read() ?? journal.write(randomId())) : null;
    const { answer, askedAt, status } = await persistently("/refresh", key, begun);
    const refusal = refusalOf(status, answer);
    if (refusal) {
      journal.clear(key);
      throw refusal;
    }
    const lease = leaseOf(status, answer, askedAt);
    journal.clear(key);
    // A log-out or log-in came between, or this tab was frozen and another has gone on: what is there by now stands.
    if (begun !== era || (held !== before && isFresh(held))) return;
    install(lease);
    tell(options.onRefresh, { user: lease.user, expiresInMs: lease.expiresAt - performance.now(), by: "this tab" });
    await publish("refreshed", lease);
  }

  /**
   * Post until there is an answer that means something, within the deadline.
   * @param {string} path @param {string | null} key @param {number} begun
   */
  async function persistently(path, key, begun) {
    const deadline = performance.now() + timeoutMs;
    for (let attempt = 0; ; attempt += 1) {
      const askedAt = performance.now();
      /** @type {SessionError} */ let failure;
      let pauseMs = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] * (0.5 + Math.random());
      try {
        const answered = await post(path, { key, deadline });
        if (!passing(answered.status)) return { ...answered, askedAt };
        failure = new AuthUnavailable(`refresh: ${answered.status}`, answered.retryAfterMs);
        pauseMs = Math.max(pauseMs, answered.retryAfterMs ?? 0);
        notBefore = performance.now() + (answered.retryAfterMs ?? 0);
      } catch (error) {
        if (!(error instanceof AuthUnavailable)) throw error;
        failure = error;
      }
      if (begun !== era || performance.now() + pauseMs >= deadline) {
        channel.postMessage({ kind: "unavailable", text: failure.message }); // they need not find out one by one
        throw failure;
      }
      await sleep(pauseMs);
    }
  }

  /** With the lock in hand. @param {boolean} everywhere */
  async function tellOfLogout(everywhere = unfinishedLogout.read() === "everywhere") {
    const { status, answer, retryAfterMs } = await post("/logout", { body: JSON.stringify({ everywhere }), json: true });
    if (passing(status)) throw new AuthUnavailable(`logout: ${status}`, retryAfterMs);
    if (status !== 200 && answer?.reason !== "no_token") throw new AuthRejected(`logout: ${status}`);
    unfinishedLogout.clear();
    journal.clear();
  }

  /**
   * @param {string} path
   * @param {{body?: string, json?: boolean, key?: string | null, deadline?: number}} what
   * @returns {Promise<{status: number, answer: any, retryAfterMs: number | null}>}
   * @throws {AuthUnavailable} there is no whole answer
   */
  async function post(path, { body, json, key, deadline = performance.now() + timeoutMs }) {
    /** @type {Record<string, string>} */ const headers = {};
    if (json) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), Math.max(0, deadline - performance.now()));
    try {
      const response = await send(`${authUrl}${path}`, {
        method: "POST", body, headers, credentials: "include", cache: "no-store", redirect: "error", signal: abort.signal,
      });
      const text = await response.text();
      const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
      const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : null;
      return { status: response.status, answer: parsed(text), retryAfterMs };
    } catch (error) {
      throw new AuthUnavailable(`${path.slice(1)}: no answer (${/** @type {Error} */ (error).name})`);
    } finally {
      clearTimeout(timer);
    }
  }

  // ---- one tab at a time

  /**
   * Run *work* while no other tab of this origin runs any.
   *
   * A tab that is frozen, or stopped in a debugger, keeps its lock. After `overdueMs` with the same holder the lock is
   * stolen. That is safe even if the holder lives: both present the same Idempotency-Key, and get the same answer.
   *
   * @template T
   * @param {() => Promise<T>} work @param {AbortSignal} [unneeded] gives up the place in the queue
   * @returns {Promise<T>}
   */
  async function exclusively(work, unneeded) {
    if (!locks) return work();
    /** @type {Promise<T> | undefined} */ let running;
    for (let steal = false; ; ) {
      const holder = await holderOfLock();
      const waiting = new AbortController();
      const giveUp = () => waiting.abort(unneeded?.reason);
      unneeded?.addEventListener("abort", giveUp);
      if (unneeded?.aborted) giveUp();
      const timer = setTimeout(() => waiting.abort(OVERDUE), overdueMs * (1 + Math.random() / 10));
      try {
        const how = steal ? { steal } : { signal: waiting.signal };
        return await locks.request(name, how, () => {
          clearTimeout(timer);
          return (running = work());
        });
      } catch (error) {
        if (running) return await running; // the lock was stolen from us, or the work has failed
        if (error !== OVERDUE) throw error;
        steal = holder !== undefined && holder === (await holderOfLock());
      } finally {
        clearTimeout(timer);
        unneeded?.removeEventListener("abort", giveUp);
      }
    }
  }

  async function holderOfLock() {
    const { held: taken = [] } = await locks.query();
    return taken.find((lock) => lock.name === name)?.clientId;
  }

  // ---- what tabs tell each other

  /**
   * Hand a token to the other tabs, with the lock in hand.
   *
   * The lock travels apart from the message, and may overtake it: the next holder would refresh again. So the token's id
   * is the name of a second lock for a while. All tabs see locks in one order; who finds that one knows what is coming.
   *
   * @param {"login" | "refreshed"} kind @param {Lease} lease
   */
  async function publish(kind, lease) {
    if (locks) {
      await new Promise((granted) => {
        locks.request(`${name} token ${lease.id}`, () => {
          granted(undefined);
          return sleep(MARK_MS);
        });
      });
    }
    channel.postMessage({ kind, ...message(lease) });
  }

  /** Wait for a token that another tab has published already. @param {() => boolean} adopted */
  async function adoptMarked(adopted) {
    const prefix = `${name} token `;
    if (!locks) return false;
    const { held: taken = [] } = await locks.query();
    const id = taken.map((lock) => lock.name ?? "").find((mark) => mark.startsWith(prefix) && !known.has(mark.slice(prefix.length)));
    if (!id) return adopted(); // the message may have come while we asked for the locks
    await new Promise((done) => {
      stopWaiting = done;
      setTimeout(done, NEWS_MS);
      channel.postMessage({ kind: "wanted", id: id.slice(prefix.length) }); // this tab may be younger than the message
    });
    return adopted();
  }

  channel.onmessage = ({ data }) => {
    if (data.kind === "ended") {
      era += 1;
      end(data.reason);
    } else if (data.kind === "wanted") {
      if (held && held.id === data.id) channel.postMessage({ kind: "refreshed", ...message(held) });
    } else if (data.kind === "unavailable") {
      stopWaiting(new AuthUnavailable(data.text));
    } else {
      adopt(data);
    }
  };

  /** @param {any} data */
  function adopt({ kind, leftMs, renewLeftMs, refreshLeftMs, ...rest }) {
    const now = performance.now();
    const lease = { ...rest, expiresAt: now + leftMs, renewAt: now + renewLeftMs, refreshExpiresAt: now + refreshLeftMs };
    if (known.has(lease.id)) return;
    remember(lease.id);
    if (kind === "login") era += 1;
    // A tab that was frozen tells old news when it wakes up; one that has logged out wants none but of a log-in.
    else if (ended === "logged_out" || (held && lease.expiresAt <= held.expiresAt)) return;
    install(lease);
    stopWaiting(UNNEEDED);
    tell(options.onRefresh, { user: lease.user, expiresInMs: leftMs, by: "another tab" });
  }

  /** @param {Lease} lease */
  function message({ accessToken, id, user, scope, renewAt, expiresAt, refreshExpiresAt }) {
    const now = performance.now();
    return {
      accessToken, id, user, scope, // clocks of tabs begin at different times
      renewLeftMs: renewAt - now, leftMs: expiresAt - now, refreshLeftMs: refreshExpiresAt - now,
    };
  }

  // ---- the state

  /** @param {Lease} lease */
  function install(lease) {
    remember(lease.id);
    [held, ended, problem, restoring] = [lease, null, null, false];
    changed();
  }

  /** @param {string} id */
  function remember(id) {
    known.add(id);
    if (known.size > KNOWN_IDS) known.delete(/** @type {string} */ (known.values().next().value));
  }

  /** @param {string} reason @param {{told?: boolean}} [who] `told`: the page ended it itself */
  function end(reason, { told = false } = {}) {
    const isNews = held !== null || ended === null;
    if (told) era += 1;
    [held, ended, problem, restoring] = [null, reason, null, false];
    changed();
    stopWaiting(UNNEEDED);
    if (isNews && !told) tell(options.onLoginRequired, new LoginRequired(reason));
  }

  function changed() {
    tell(options.onChange, status());
  }

  // A page that comes back out of the browser's cache has missed what the other tabs said.
  addEventListener("pageshow", (event) => {
    if (event.persisted) restore();
  });

  const ready = restore();
  return {
    login,
    logout,
    fetch: authorizedFetch,
    restore,
    /** Settles when it is known whether there is a session, or that the auth service does not answer. */
    ready,
    get status() {
      return status();
    },
  };
}

/** What the page does with news must not break a refresh. @template T @param {((news: T) => void) | undefined} callback @param {T} news */
function tell(callback, news) {
  if (callback) queueMicrotask(() => callback(news));
}

/** @param {string} text */
function checkedUrl(text) {
  const url = new URL(text);
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && local)) {
    throw new TypeError(`${text}: https is needed, or tokens travel in the clear`);
  }
  return url;
}

/**
 * One entry of localStorage. Where there is none, or no room, it holds nothing: a refresh is sent without a key then,
 * and relies on the grace period of the auth service.
 * @param {string} name
 */
function storedText(name) {
  /** @template T @param {() => T} use @returns {T | null} */
  const orNull = (use) => {
    try {
      return use();
    } catch {
      return null;
    }
  };
  const read = () => orNull(() => localStorage.getItem(name));
  return {
    read,
    /** @param {string} text @returns {string | null} what stands there now */
    write: (text) => orNull(() => (localStorage.setItem(name, text), text)),
    /** @param {string | null} [only] leave another text alone */
    clear: (only) => orNull(() => (only && read() !== only) || localStorage.removeItem(name)),
  };
}

/** @param {number} status @param {any} answer @returns {SessionError | null} */
function refusalOf(status, answer) {
  if (status !== 400) return null;
  if (answer?.error === "invalid_grant") return new LoginRequired(String(answer.reason ?? "revoked"));
  return answer?.reason === "no_token" ? new LoginRequired("no_session") : null;
}

/** @param {number} status @param {any} answer @param {number} askedAt @returns {Lease} */
function leaseOf(status, answer, askedAt) {
  const life = answer?.expires_in * 1000;
  const user = answer?.userInfo;
  if (status !== 200 || typeof answer?.access_token !== "string" || !(life >= 0) || typeof user?.username !== "string") {
    throw new AuthRejected(`the auth service answered ${status} ${answer?.error ?? "without a token"}`);
  }
  const expiresAt = Math.max(askedAt + life, performance.now() + MIN_USE_MS);
  return {
    accessToken: answer.access_token,
    id: randomId(),
    user,
    scope: String(answer.scope ?? ""),
    renewAt: expiresAt - Math.min(life * RENEW_FRACTION, RENEW_MAX_MS),
    expiresAt,
    refreshExpiresAt: askedAt + answer.refresh_expires_in * 1000,
  };
}

/** @param {Request} request @param {Lease} lease */
function signed(request, lease) {
  request.headers.set("Authorization", `Bearer ${lease.accessToken}`);
  return request;
}

/** RFC 6750 §3.1. A header that CORS does not show us is no objection. @param {Response} response */
function asksForNewToken(response) {
  const challenge = response.headers.get("WWW-Authenticate");
  return challenge === null || (/\bbearer\b/i.test(challenge) && !/error\s*=\s*"?insufficient_scope/i.test(challenge));
}

/** @param {number} status */
function passing(status) {
  return status === 429 || status >= 500;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {number} ms @returns {Promise<void>} */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @template T @param {Promise<T>} promise @param {AbortSignal} signal @returns {Promise<T>} */
function abortable(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
