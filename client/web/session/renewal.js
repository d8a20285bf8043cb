/** The one refresh of this tab, and of all tabs. */

import { MAX_PAUSE_MS, isUnproven, refusalOf } from "./auth-api.js";
import { Pause } from "./clock.js";
import { AuthUnavailable, LoginRequired, SessionError } from "./errors.js";
import { isFresh, leaseOf, told } from "./lease.js";
import { randomId } from "./random.js";
import { abortable } from "./waiting.js";

/** @typedef {import("./lease.js").Lease} Lease */
/** @typedef {{era: number, refusedBy: string | null, unneeded: AbortController, done: Promise<void>}} Flight */

const BACKGROUND_PAUSE_MS = 5_000; // after a background refresh that failed
const NEWS_MS = 2_000; // for a message that is known to be on its way
const UNNEEDED = Symbol("unneeded");
const KEY = /^[0-9a-f]{32}$/; // as randomId makes them: anything else in the journal would fail, again and again

export class Renewal {
  #state;
  #turns;
  #api;
  #channel;
  #journal;
  #keyring;
  #closed = new AbortController();
  /** @type {Flight | null} */ #flight = null;
  #asked = new Pause(); // the auth service has asked to be left alone
  #failed = new Pause(); // in the background

  /**
   * @param {object} parts
   * @param {import("./state.js").State} parts.state
   * @param {import("./turns.js").Turns} parts.turns
   * @param {import("./auth-api.js").AuthApi} parts.api
   * @param {ReturnType<typeof import("./channel.js").openChannel>} parts.channel
   * @param {import("./storage.js").StoredText} parts.journal  the Idempotency-Key of a refresh that was not answered yet
   * @param {import("./keyring.js").Keyring} parts.keyring
   */
  constructor({ state, turns, api, channel, journal, keyring }) {
    this.#state = state;
    this.#turns = turns;
    this.#api = api;
    this.#channel = channel;
    this.#journal = journal;
    this.#keyring = keyring;
  }

  /**
   * Wait for the refresh that is under way, or begin one.
   * @param {string | null} [refusedBy] the origin on whose account it is needed, if the token has not run out
   * @returns {Promise<void>}
   */
  join(refusedBy = null) {
    const { era } = this.#state;
    const flight = this.#flight?.era === era ? this.#flight : this.#begin(era);
    flight.refusedBy ??= refusedBy;
    return flight.done;
  }

  /** @param {number} era @returns {Flight} */
  #begin(era) {
    const flight = { era, refusedBy: null, unneeded: new AbortController(), done: Promise.resolve() };
    this.#flight = flight;
    flight.done = abortable(this.#run(flight), this.#closed.signal);
    this.#state.refreshing = true;
    this.#state.changed();
    return flight;
  }

  /** Renew ahead of time; who calls goes on with the token that there is. */
  inBackground() {
    if (this.#flight || this.#asked.leftMs > 0 || this.#failed.leftMs > 0) return;
    this.join().catch(() => this.#failed.begin(BACKGROUND_PAUSE_MS)); // `status` knows of the problem
  }

  /** There is news: who still waits for a turn need not ask. @param {unknown} [why] an error for those who wait */
  settle(why = UNNEEDED) {
    this.#flight?.unneeded.abort(why);
  }

  /** Somebody asks on purpose, or has logged in: a pause that the auth service asked for counts no more. */
  resume() {
    this.#asked.end();
    this.#failed.end();
  }

  /** @param {SessionError} why for those who wait */
  close(why) {
    this.settle(why);
    this.#closed.abort(why);
  }

  /** @param {Flight} flight */
  async #run(flight) {
    const state = this.#state;
    try {
      await this.#inTurn(flight);
      state.problem = null;
    } catch (error) {
      if (error === UNNEEDED || flight.era !== state.era) return; // who waits looks again
      if (error instanceof LoginRequired) {
        this.#channel.tell({ kind: "ended", reason: error.reason, sid: state.held?.sid });
        state.end(error.reason);
      } else if (error instanceof SessionError) {
        state.problem = error;
      }
      throw error;
    } finally {
      if (this.#flight === flight) {
        this.#flight = null;
        state.refreshing = false;
        state.changed();
      }
    }
  }

  /** @param {Flight} flight */
  async #inTurn(flight) {
    const state = this.#state;
    const before = state.held;
    const adopted = () => state.held !== before && isFresh(state.held);
    const { signal } = flight.unneeded;
    await this.#turns.take(async () => {
      if (flight.era !== state.era || adopted() || (before?.sid && (await this.#adoptsMarked(signal, adopted)))) return;
      await this.#renew(before, flight);
    }, signal);
  }

  /** Wait for a token that another tab has published already. @param {AbortSignal} signal @param {() => boolean} adopted */
  async #adoptsMarked(signal, adopted) {
    if (!this.#channel.open) return false;
    const id = (await this.#turns.marks()).find((mark) => !this.#state.knows(mark));
    if (!id || signal.aborted) return adopted(); // the message may have come while we asked for the marks
    await new Promise((done) => {
      signal.addEventListener("abort", done);
      setTimeout(done, NEWS_MS);
      this.#channel.tell({ kind: "wanted", id }); // this tab may be younger than the message
    });
    return adopted();
  }

  /** Ask the auth service, in turn. @param {Lease | null} before @param {Flight} flight */
  async #renew(before, flight) {
    const [state, journal] = [this.#state, this.#journal];
    const { leftMs } = this.#asked;
    if (leftMs > 0) throw new AuthUnavailable("refresh: the auth service asks clients to wait", leftMs);
    // A key that stands there was sent by a tab that never heard the answer: the same refresh is repeated.
    const begun = journal.read();
    const key = this.#turns.shared ? (begun && KEY.test(begun) ? begun : journal.write(randomId())) : null;
    const answered = await this.#ask(key, flight);
    const refusal = refusalOf(answered);
    const lease = refusal ?? leaseOf(answered);
    journal.clear(key);
    if (lease instanceof LoginRequired) throw lease;
    // A log-out or log-in came between, or this tab was frozen and another has gone on: what is there by now stands.
    if (flight.era !== state.era || (state.held !== before && isFresh(state.held))) return;
    lease.refusedBy = flight.refusedBy;
    state.install(lease);
    state.renewed("this tab");
    await this.publish(before === null || before.sid === lease.sid ? "refreshed" : "login", lease);
  }

  /** @param {string | null} key @param {Flight} flight */
  async #ask(key, flight) {
    try {
      return await this.#proven(key, () => flight.era === this.#state.era);
    } catch (error) {
      const pauseMs = error instanceof AuthUnavailable ? error.retryAfterMs : null;
      if (pauseMs !== null) this.#asked.begin(Math.min(pauseMs, MAX_PAUSE_MS));
      this.#channel.tell({ kind: "unavailable" }); // they need not find out one by one
      throw error;
    }
  }

  /**
   * Ask with a proof of the key that the session is bound to: as a rule there is one, and more after log-ins without answer.
   * @param {string | null} key @param {() => boolean} wanted @returns {Promise<import("./auth-api.js").Answered>}
   */
  async #proven(key, wanted) {
    const kept = await this.#keyring.load().catch(() => null);
    const keys = kept?.length ? kept : [null];
    let answered = await this.#api.postPersistently("/refresh", { key, proofKey: keys[0] }, wanted);
    for (const proofKey of keys.slice(1)) {
      if (!isUnproven(answered)) break;
      answered = await this.#api.postPersistently("/refresh", { key, proofKey }, wanted);
      if (answered.status === 200 && proofKey) await this.#keyring.prefer(proofKey);
    }
    // The next time IndexedDB may answer: the session has not ended, and nothing is spent.
    if (isUnproven(answered) && kept === null) throw new AuthUnavailable("refresh: this browser does not give out the session's key");
    if (refusalOf(answered)) await this.#keyring.discard(keys);
    return answered;
  }

  /**
   * Let the other tabs know, in turn. A new session is told of, and not shown: they ask the auth service themselves.
   * @param {"login" | "refreshed"} kind @param {Lease} lease
   */
  async publish(kind, lease) {
    if (kind === "login") return this.#channel.tell({ kind, sid: lease.sid });
    await this.#turns.mark(lease.id);
    this.show(lease);
  }

  /** Hand a token to the other tabs. @param {Lease} lease */
  show(lease) {
    this.#channel.tell({ kind: "refreshed", ...told(lease) });
  }
}
