/** The session as this tab knows it. */

import { passedMs } from "./clock.js";
import { LoginRequired } from "./errors.js";
import { leftMs } from "./lease.js";

/** @typedef {import("./lease.js").Lease} Lease */
/** @typedef {import("./errors.js").SessionError} SessionError */
/** @typedef {import("../silent-refresh.d.ts").Options} Options */
/** @typedef {import("../silent-refresh.d.ts").Status} Status */

const KNOWN_IDS = 32;

/** `held` and `ended` are both null while it is not known whether there is a session. At most one of them is set. */
export class State {
  /** @type {Lease | null} */ held = null;
  /** @type {string | null} why the session ended */ ended = null;
  /** @type {SessionError | null} why the last refresh failed */ problem = null;
  restoring = true;
  /** Whether a refresh is under way. */ refreshing = false;
  /** A log-in or log-out begins a new one: what was under way before must not write into it. */ era = 0;

  #callbacks;
  /** @type {Set<string>} ids of tokens that were here */ #known = new Set();

  /** @param {Options} callbacks */
  constructor(callbacks) {
    this.#callbacks = callbacks;
  }

  /** @param {string} id */
  knows(id) {
    return this.#known.has(id);
  }

  /** @param {Lease} lease */
  install(lease) {
    this.#known.add(lease.id);
    if (this.#known.size > KNOWN_IDS) this.#known.delete(/** @type {string} */ (this.#known.values().next().value));
    [this.held, this.ended, this.problem, this.restoring] = [lease, null, null, false];
    this.changed();
  }

  /** Tell the page of a token that a refresh has brought. @param {"this tab" | "another tab"} by */
  renewed(by) {
    const lease = /** @type {Lease} */ (this.held);
    tell(this.#callbacks.onRefresh, { user: lease.user, expiresInMs: leftMs(lease), by });
  }

  /** @param {string} reason @param {{byPage?: boolean}} [how] `byPage`: it need not be told */
  end(reason, { byPage = false } = {}) {
    const isNews = this.held !== null || this.ended === null;
    [this.held, this.ended, this.problem, this.restoring] = [null, reason, null, false];
    this.changed();
    if (isNews && !byPage) tell(this.#callbacks.onLoginRequired, new LoginRequired(reason));
  }

  /** Another session is in the cookie: which, the auth service must say. */
  forget() {
    [this.held, this.ended, this.problem, this.restoring] = [null, null, null, true];
    this.changed();
  }

  changed() {
    tell(this.#callbacks.onChange, this.status());
  }

  /** @returns {Status} */
  status() {
    const { held, ended, restoring } = this;
    return Object.freeze({
      state: restoring ? "restoring" : held ? "active" : ended ? "ended" : "unreachable",
      user: held?.user ?? null,
      expiresInMs: held && leftMs(held),
      refreshExpiresInMs: held && Math.max(0, held.refreshLifeMs - passedMs(held.bornAt)),
      refreshing: this.refreshing,
      bound: held && held.bound,
      reason: ended,
      problem: this.problem,
    });
  }
}

/** What the page does with news must not break a refresh. @template T @param {((news: T) => void) | undefined} callback @param {T} news */
function tell(callback, news) {
  if (callback) queueMicrotask(() => callback(news));
}
