/** Services that refuse even a fresh token: a wrong audience after a deploy, clocks apart, a 401 that means 403. */

import { Pause, passedMs } from "./clock.js";

/** @typedef {import("./lease.js").Lease} Lease */

const FRESH_MS = 10_000;
const PAUSE_MS = 10_000;
const PAUSE_MAX_MS = 60_000;

/** Decides which 401 may start a refresh. Without it, each request to such a service would. */
export class Refusals {
  /** @type {Map<string, {pause: Pause, ms: number}>} by origin */ #known = new Map();
  /** @type {Set<string>} */ #warned = new Set();

  /**
   * Tell whether a refresh may help after *origin* refused *lease*. It may not where that origin has just refused the
   * token that a refresh on its account had brought; the pause grows as long as that happens again.
   * @param {string} origin @param {Lease} lease
   */
  mayRefresh(origin, lease) {
    const known = this.#known.get(origin) ?? { pause: new Pause(), ms: PAUSE_MS / 2 };
    if (known.pause.leftMs > 0) return false;
    if (lease.refusedBy !== origin || passedMs(lease.bornAt) >= FRESH_MS) return true;
    known.ms = Math.min(2 * known.ms, PAUSE_MAX_MS);
    known.pause.begin(known.ms);
    this.#known.set(origin, known);
    this.#warn(origin);
    return false;
  }

  /** After another token was refused, this one was taken: the refresh has helped. @param {string} origin @param {Lease} lease */
  accepted(origin, lease) {
    this.#known.delete(origin);
    if (lease.refusedBy === origin) lease.refusedBy = null;
  }

  /** After a log-in all may be different. */
  forget() {
    this.#known.clear();
  }

  /** @param {string} origin */
  #warn(origin) {
    if (this.#warned.has(origin)) return;
    this.#warned.add(origin);
    console.warn(`dualtoken: ${origin || "a service"} refuses tokens fresh from the auth service: check its audience, keys and clock`);
  }
}
