/** Which token a call gets, and what happens to one that is refused. */

import { originAsked } from "./addresses.js";
import { asksForNewToken } from "./challenge.js";
import { AuthUnavailable, LoginRequired, NotReplayable, UserChanged } from "./errors.js";
import { isAged, isFresh } from "./lease.js";
import { abortable } from "./waiting.js";

/** @typedef {import("./lease.js").Lease} Lease */

const REPLAYS = 3; // each with another token: one that runs out on its way costs a repetition
const ROUNDS = 3; // a log-in in another tab overtakes a refresh
const NEVER = new AbortController().signal;

export class Calls {
  #state;
  #renewal;
  #refusals;
  #origins;
  #send;
  #ready;

  /**
   * @param {object} parts
   * @param {import("./state.js").State} parts.state
   * @param {import("./renewal.js").Renewal} parts.renewal
   * @param {import("./refusals.js").Refusals} parts.refusals
   * @param {Set<string>} parts.origins
   * @param {typeof fetch} parts.send
   * @param {Promise<unknown>} parts.ready
   */
  constructor({ state, renewal, refusals, origins, send, ready }) {
    this.#state = state;
    this.#renewal = renewal;
    this.#refusals = refusals;
    this.#origins = origins;
    this.#send = send;
    this.#ready = ready;
  }

  /** @type {import("../silent-refresh.d.ts").Session["fetch"]} */
  async fetch(input, init) {
    if (input instanceof Request && input.bodyUsed && !init?.body) {
      throw new NotReplayable("the body of this Request has been sent already: make it anew");
    }
    const request = new Request(input, init);
    const service = this.#signed(request.url);
    // In the mode "no-cors" the browser takes every Authorization off.
    if (service === null || request.headers.has("Authorization") || request.mode === "no-cors") return this.#send(request);
    const replayable = !(init?.body instanceof ReadableStream);
    const attempt = async (/** @type {string | null} */ authorization) => {
      const sent = replayable ? request.clone() : request;
      if (authorization !== null) sent.headers.set("Authorization", authorization);
      const answer = await this.#send(sent);
      // Where a redirect led to another origin, the browser has taken the token off: nobody has refused it.
      const asked = !answer.redirected || originAsked(answer.url) === service;
      const refused = answer.status === 401 && asked && asksForNewToken(answer.headers.get("WWW-Authenticate"));
      // A transport that has read the answer for itself has left nothing to let go of.
      return { answer, refused, discard: () => answer.body?.cancel().catch(() => {}) };
    };
    return this.send(request.url, attempt, { signal: request.signal, replayable });
  }

  /** Return the origin that gets a token with this request; null if none does. @param {string | URL} url */
  #signed(url) {
    const origin = originAsked(url);
    return origin !== null && this.#origins.has(origin) ? origin : null;
  }

  /** @type {import("../silent-refresh.d.ts").Session["send"]} */
  async send(url, attempt, { signal = NEVER, replayable = true } = {}) {
    const origin = this.#signed(url);
    if (origin === null) return (await attempt(null)).answer;
    let [owner, lease] = await this.#first(signal);
    for (let replays = 0; ; replays += 1) {
      const { answer, refused, discard } = await attempt(`Bearer ${lease.accessToken}`);
      if (!refused && replays > 0) this.#refusals.accepted(origin, lease);
      if (!refused || replays === REPLAYS || !this.#mayReplace(lease, origin)) return answer;
      await discard?.(); // the connection is free for the refresh
      lease = await this.#other(lease, owner, signal, origin);
      if (!replayable) throw new NotReplayable("a streamed body cannot be sent twice; the token has been renewed");
    }
  }

  /** @type {import("../silent-refresh.d.ts").Session["token"]} */
  async token({ rejected, origin = "", signal = NEVER } = {}) {
    const [owner, lease] = await this.#first(signal);
    if (lease.accessToken !== rejected) return lease.accessToken;
    if (!this.#mayReplace(lease, origin)) return rejected;
    return (await this.#other(lease, owner, signal, origin)).accessToken;
  }

  /** Return whose call it is, and the token that it is sent with first. @param {AbortSignal} signal @returns {Promise<[string, Lease]>} */
  async #first(signal) {
    if (!this.#state.held) await abortable(this.#ready, signal);
    const { held } = this.#state;
    const lease = held && isFresh(held) ? held : await this.#other(held, held?.user.username, signal, null);
    if (isAged(lease)) this.#renewal.inBackground();
    return [(held ?? lease).user.username, lease];
  }

  /** Whether there is another token than the one that *origin* refused, or a refresh may bring one. @param {Lease} refused @param {string} origin */
  #mayReplace(refused, origin) {
    return this.#state.held !== refused || !isFresh(refused) || this.#refusals.mayRefresh(origin, refused);
  }

  /**
   * Return a token other than *refused*: perhaps a late 401 met one that has been replaced already.
   * @param {Lease | null} refused @param {string | undefined} owner @param {AbortSignal} signal @param {string | null} origin
   */
  async #other(refused, owner, signal, origin) {
    const state = this.#state;
    const missing = () => state.ended === null && (state.held === refused || !isFresh(state.held));
    for (let round = 0; missing() && round < ROUNDS; round += 1) {
      // Who gives up harms nobody: the refresh is everybody's.
      await abortable(this.#renewal.join(isFresh(state.held) ? origin : null), signal);
    }
    if (missing()) throw new AuthUnavailable("refresh: overtaken by log-ins in other tabs");
    if (!state.held) throw new LoginRequired(state.ended ?? "no_session");
    if (owner !== undefined && owner !== state.held.user.username) throw new UserChanged("another user has logged in");
    return state.held;
  }
}
