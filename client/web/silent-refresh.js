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
 *   a BroadcastChannel  hands a new access token of the same session to the other tabs, and tells of log-in and log-out
 *   localStorage        the Idempotency-Key of the refresh under way (worth nothing without the cookie), a log-out that did
 *                       not reach the auth service yet, and whether a lock was ever stolen
 *   IndexedDB           the key that the session is bound to: scripts can use it, and take it nowhere
 *
 * @module
 */

import { authBase, originAsked, originsOf } from "./session/addresses.js";
import { AuthApi } from "./session/auth-api.js";
import { Calls } from "./session/calls.js";
import { openChannel } from "./session/channel.js";
import { AuthRejected, AuthUnavailable, LogoutNotKept, NoSessionHere, SessionError } from "./session/errors.js";
import { Keyring } from "./session/keyring.js";
import { leaseFrom } from "./session/lease.js";
import { Login } from "./session/login.js";
import { Refusals } from "./session/refusals.js";
import { Renewal } from "./session/renewal.js";
import { State } from "./session/state.js";
import { storedText } from "./session/storage.js";
import { Turns } from "./session/turns.js";
import { msOf } from "./session/waiting.js";

export * from "./session/errors.js";

/** @typedef {import("./silent-refresh.d.ts").Options} Options */
/** @typedef {import("./silent-refresh.d.ts").Session} Session */
/** @typedef {import("./silent-refresh.d.ts").User} User */

const REASON = /^[a-z_]{1,32}$/;

/**
 * @param {Options} options @returns {Session}
 * @throws {TypeError} an address or a time that cannot be, or an address that would expose tokens
 */
export function createSession(options) {
  const settings = {
    authUrl: authBase(options.authUrl),
    origins: originsOf(options.origins),
    send: options.fetch ?? ((...request) => fetch(...request)),
    timeoutMs: msOf("timeoutMs", options.timeoutMs, 15_000),
  };
  const rendered = typeof location === "undefined"; // by a server: no cookie, no tabs
  return rendered ? sessionOfNobody(settings) : new BrowserSession(options, settings).face();
}

/** @typedef {{authUrl: string, origins: Set<string>, send: typeof fetch, timeoutMs: number}} Settings */

class BrowserSession {
  /** @type {NoSessionHere | null} */ #closed = null;
  #state;
  #turns;
  #api;
  #channel;
  #keyring;
  #login;
  #renewal;
  #refusals = new Refusals();
  #calls;
  #ready;
  #storage;
  /** @type {{code: string, done: Promise<User>} | null} under way: a code that is presented twice ends its session */ #exchange = null;
  #onPageShow = (/** @type {PageTransitionEvent} */ event) => {
    if (event.persisted) this.restore(); // out of the browser's cache: it has missed what the other tabs said
  };

  /** @param {Options} options @param {Settings} settings */
  constructor(options, { authUrl, origins, send, timeoutMs }) {
    const name = `dualtoken ${authUrl}`;
    this.#storage = {
      journal: storedText(`${name} idempotency-key`),
      logout: storedText(`${name} logout`), // one that the auth service does not know of yet
    };
    const { journal } = this.#storage;
    const stolen = storedText(`${name} stolen`);
    const state = (this.#state = new State(options));
    const turns = (this.#turns = new Turns(name, msOf("overdueMs", options.overdueMs, timeoutMs + 5_000), () => stolen.write("yes")));
    const api = (this.#api = new AuthApi({ authUrl, send, timeoutMs }));
    const channel = (this.#channel = openChannel(name, this.#handlers()));
    const keyring = (this.#keyring = new Keyring(name, options.bind ?? true));
    this.#login = new Login({ api, turns, keyring, stolen });
    const renewal = (this.#renewal = new Renewal({ state, turns, api, channel, journal, keyring }));
    this.#ready = this.restore();
    this.#calls = new Calls({ state, renewal, refusals: this.#refusals, origins, send, ready: this.#ready });
    addEventListener("pageshow", this.#onPageShow);
  }

  /** @returns {Session} what the page sees; its members may be taken apart */
  face() {
    const state = this.#state;
    return {
      login: (username, password) => this.login(username, password),
      exchange: (code) => this.exchange(code),
      logout: (scope) => this.logout(scope),
      fetch: async (input, init) => this.#open().#calls.fetch(input, init),
      token: async (what) => this.#open().#calls.token(what),
      send: async (url, attempt, how) => this.#open().#calls.send(url, attempt, how),
      restore: () => this.restore(),
      close: () => this.close(),
      ready: this.#ready,
      get status() {
        return state.status();
      },
    };
  }

  #open() {
    if (this.#closed) throw this.#closed;
    return this;
  }

  /** @param {string} username @param {string} password */
  async login(username, password) {
    return this.#enter(() => this.#login.open(username, password));
  }

  /** @param {string} code */
  async exchange(code) {
    if (this.#exchange?.code !== code) {
      const done = this.#enter(() => this.#login.exchange(code));
      const exchange = (this.#exchange = { code, done });
      const over = () => this.#exchange === exchange && (this.#exchange = null);
      done.then(over, over);
    }
    return /** @type {{done: Promise<User>}} */ (this.#exchange).done;
  }

  /** Open a session, which takes the place of the one before. @param {() => Promise<import("./session/lease.js").Lease>} open */
  async #enter(open) {
    const { journal, logout } = this.#open().#storage;
    return this.#turns.take(async () => {
      if (logout.read()) await this.#tellOfLogout().catch(() => {}); // else nobody could end that session any more
      const lease = await open();
      this.#open();
      this.#begin();
      journal.clear(); // its key belongs to the cookie that was there before
      logout.clear();
      this.#refusals.forget();
      this.#renewal.resume();
      this.#state.install(lease);
      await this.#renewal.publish("login", lease);
      return lease.user;
    });
  }

  /** @param {{everywhere?: boolean}} [scope] */
  async logout({ everywhere = false } = {}) {
    const kept = this.#open().#storage.logout.write(everywhere ? "everywhere" : "here");
    this.#channel.tell({ kind: "ended", reason: "logged_out", sid: this.#state.held?.sid });
    this.#begin();
    this.#state.end("logged_out", { byPage: true });
    const { era } = this.#state;
    try {
      await this.#turns.take(async () => {
        // After a log-in in another tab the cookie is that one's; it has ended the session that was there before.
        if (era === this.#state.era) await this.#tellOfLogout(everywhere);
      });
    } catch (error) {
      if (kept === null && error instanceof SessionError) throw new LogoutNotKept(error);
      throw error;
    }
  }

  async restore() {
    const { era } = this.#state;
    if (this.#closed) return this.#state.status();
    this.#state.restoring = true;
    this.#state.changed();
    this.#renewal.resume();
    try {
      await this.#findOut();
    } catch (error) {
      // Nobody may wait for ever: what is no news of the auth service is a matter of this browser, or a defect.
      if (!(error instanceof SessionError)) this.#state.problem = new SessionError(`restore: ${error}`, { cause: error });
    }
    if (era === this.#state.era) {
      this.#state.restoring = false;
      this.#state.changed();
    }
    return this.#state.status();
  }

  async #findOut() {
    if (!this.#storage.logout.read()) return this.#renewal.join();
    this.#state.end("logged_out");
    return this.#turns.take(() => this.#tellOfLogout());
  }

  close() {
    if (this.#closed) return;
    this.#closed = new NoSessionHere("this session object was closed: make a new one");
    removeEventListener("pageshow", this.#onPageShow);
    this.#begin();
    this.#renewal.close(this.#closed);
    this.#channel.close();
    this.#state.end("closed", { byPage: true });
  }

  /** What was under way before must not write into what comes now. */
  #begin() {
    this.#state.era += 1;
    this.#renewal?.settle();
  }

  /** In turn. */
  async #tellOfLogout(everywhere = this.#storage.logout.read() === "everywhere") {
    const keys = await this.#keyring.load().catch(() => []);
    await this.#keyring.discard(keys); // the session is of no use from here on, whether the auth service hears of it or not
    const { status, answer } = await this.#api.postOnce("/logout", { body: { everywhere } });
    if (status !== 200 && answer?.reason !== "no_token") throw new AuthRejected(`logout: ${status}`);
    this.#storage.logout.clear();
    this.#storage.journal.clear();
  }

  /**
   * What other tabs may do. Any script of this origin can pretend to be one: none may say who is logged in, and what it
   * claims of a session counts for that session alone.
   * @returns {Record<string, (message: any) => void>}
   */
  #handlers() {
    const others = (/** @type {any} */ sid) => typeof sid === "string" && this.#state.held && this.#state.held.sid !== sid;
    return {
      login: ({ sid }) => {
        if (this.#state.held && this.#state.held.sid === sid) return;
        this.#begin();
        this.#state.forget();
        this.restore();
      },
      ended: ({ reason, sid }) => {
        if (others(sid)) return;
        this.#begin();
        this.#state.end(typeof reason === "string" && REASON.test(reason) ? reason : "revoked");
      },
      refreshed: (message) => this.#adopt(message),
      wanted: ({ id }) => {
        const { held } = this.#state;
        if (held && held.id === id) this.#renewal.show(held);
      },
      unavailable: () => this.#renewal.settle(new AuthUnavailable("refresh: another tab got no answer")),
    };
  }

  /** @param {any} message */
  #adopt(message) {
    const { held } = this.#state;
    const lease = held && leaseFrom(message, held);
    if (!lease || this.#state.knows(lease.id)) return;
    this.#state.install(lease);
    this.#renewal.settle();
    this.#state.renewed("another tab");
  }
}

/** The same face where a server renders the page: it may be made and looked at, and asks nobody. @param {Settings} settings @returns {Session} */
function sessionOfNobody({ origins, send }) {
  const status = Object.freeze({
    state: /** @type {const} */ ("restoring"), user: null, expiresInMs: null, refreshExpiresInMs: null, refreshing: false, bound: null, reason: null, problem: null,
  });
  const nobody = async () => {
    throw new NoSessionHere("a server renders this page, and has no session: call it in the browser");
  };
  const signs = (/** @type {string | URL} */ url) => origins.has(originAsked(url) ?? "");
  return {
    login: nobody,
    exchange: nobody,
    logout: nobody,
    token: nobody,
    fetch: async (input, init) => {
      const request = new Request(input, init); // which takes the body over
      return signs(request.url) ? nobody() : send(request);
    },
    send: async (url, attempt) => (signs(url) ? nobody() : (await attempt(null)).answer),
    restore: async () => status,
    close: () => {},
    ready: Promise.resolve(status),
    status,
  };
}
