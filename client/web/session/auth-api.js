/** Calls to the auth service. The browser adds the cookie. */

import { instant } from "./clock.js";
import { AuthUnavailable, LoginRequired } from "./errors.js";
import { proofFor } from "./proof.js";
import { sleep } from "./waiting.js";

/** @typedef {import("./proof.js").ProofKey} ProofKey */
/** @typedef {{body?: object, key?: string | null, proofKey?: ProofKey | null, withinMs?: number}} What  `key`: the Idempotency-Key */
/** @typedef {{status: number, answer: any, retryAfterMs: number | null, askedAt: import("./clock.js").Instant}} Answered */

const BACKOFF_MS = [250, 500, 1_000, 2_000, 4_000];
const ATTEMPTS_IN_DEADLINE = 3; // one hung connection must not use up all the time there is
/** However long the auth service asks clients to wait: a proxy's `Retry-After` of a day must not lock a page for one. */
export const MAX_PAUSE_MS = 60_000;

export class AuthApi {
  #authUrl;
  #send;
  #timeoutMs;
  /** @type {string | null} of the last answer that brought one, whatever it answered */ #nonce = null;

  /** @param {{authUrl: string, send: typeof fetch, timeoutMs: number}} options */
  constructor({ authUrl, send, timeoutMs }) {
    this.#authUrl = authUrl;
    this.#send = send;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param {string} path @param {What} what @returns {Promise<Answered>}
   * @throws {AuthUnavailable} there is no whole answer
   */
  async post(path, what) {
    const answered = await this.#exchange(path, what);
    // This machine's clock is wrong, or the nonce old: the answer has brought one that counts (RFC 9449 §8).
    return answered.answer?.error === "use_dpop_nonce" ? this.#exchange(path, what) : answered;
  }

  /** @param {string} path @param {What} what @returns {Promise<Answered>} */
  async #exchange(path, { body, key, proofKey, withinMs = this.#timeoutMs }) {
    const url = `${this.#authUrl}${path}`;
    /** @type {Record<string, string>} */ const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    const askedAt = instant();
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), Math.max(0, withinMs));
    try {
      if (proofKey) headers.DPoP = await proofFor(proofKey, url, this.#nonce);
      const response = await this.#send(url, {
        method: "POST", body: body && JSON.stringify(body), headers,
        credentials: "include", cache: "no-store", redirect: "error", signal: abort.signal,
      });
      this.#nonce = response.headers.get("DPoP-Nonce") ?? this.#nonce;
      const answer = parsed(await response.text());
      return { status: response.status, answer, retryAfterMs: retryAfterMs(response), askedAt };
    } catch (error) {
      throw new AuthUnavailable(`${path.slice(1)}: no answer (${/** @type {Error} */ (error).name})`);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Post once.
   * @param {string} path @param {What} what @returns {Promise<Answered>}
   * @throws {AuthUnavailable} no answer, 408, 425, 429 or 5xx
   */
  async postOnce(path, what) {
    const answered = await this.post(path, what);
    if (isPassing(answered.status)) throw unavailable(path, answered);
    return answered;
  }

  /**
   * Post until there is an answer that means something, within the deadline; each time with a proof of its own.
   * @param {string} path @param {What} what @param {() => boolean} wanted  asked before each repetition
   * @returns {Promise<Answered>}
   * @throws {AuthUnavailable} there was none
   */
  async postPersistently(path, what, wanted) {
    // On a clock that may stand still in sleep: whoever wakes up in the middle has time left.
    const deadline = performance.now() + this.#timeoutMs;
    for (let attempt = 0; ; attempt += 1) {
      const left = deadline - performance.now();
      try {
        const answered = await this.post(path, { ...what, withinMs: Math.min(left, this.#timeoutMs / ATTEMPTS_IN_DEADLINE) });
        if (!isPassing(answered.status)) return answered;
        throw unavailable(path, answered);
      } catch (error) {
        if (!(error instanceof AuthUnavailable)) throw error;
        const backoffMs = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] * (0.5 + Math.random());
        const pauseMs = Math.max(backoffMs, error.retryAfterMs ?? 0);
        if (!wanted() || performance.now() + pauseMs >= deadline) throw error;
        await sleep(pauseMs);
      }
    }
  }
}

/** Whether the session is bound to a key of which the request had no proof. @param {Answered} answered */
export function isUnproven({ answer }) {
  return answer?.error === "invalid_dpop_proof" && answer.reason === "unproven";
}

/** Return why an answer to a refresh ends the session, if it does. @param {Answered} answered */
export function refusalOf(answered) {
  const { status, answer } = answered;
  if (status !== 400) return null;
  if (isUnproven(answered)) return new LoginRequired("key_lost");
  if (answer?.error === "invalid_grant") return new LoginRequired(String(answer.reason ?? "revoked"));
  return answer?.reason === "no_token" ? new LoginRequired("no_session") : null;
}

/** @param {string} path @param {Answered} answered */
function unavailable(path, { status, retryAfterMs }) {
  return new AuthUnavailable(`${path.slice(1)}: ${status}`, retryAfterMs);
}

/** RFC 9110 §15.5.9, RFC 8470 §5.2 and RFC 6585 §4: ask again. @param {number} status */
function isPassing(status) {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/** RFC 9110 §10.2.3: seconds, or a date. CORS shows the header if the service exposes it. @param {Response} response */
function retryAfterMs(response) {
  const text = response.headers.get("Retry-After") ?? "";
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
