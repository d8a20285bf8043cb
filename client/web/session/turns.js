/** One tab at a time: Web Locks, and where they are missing or refused, one caller of this tab at a time. */

import { abortable, sleep } from "./waiting.js";

const MARK_MS = 5_000;
const OVERDUE = Symbol("overdue");

export class Turns {
  #name;
  #overdueMs;
  #onSteal;
  /** @type {LockManager | null} */ #locks = globalThis.navigator?.locks ?? null;
  /** @type {Promise<void>} the end of the last turn in this tab, where there are no locks */
  #last = Promise.resolve();

  /** @param {string} name @param {number} overdueMs @param {() => void} onSteal  told before a lock is stolen */
  constructor(name, overdueMs, onSteal) {
    this.#name = name;
    this.#overdueMs = overdueMs;
    this.#onSteal = onSteal;
  }

  /** Whether other tabs take turns with this one. */
  get shared() {
    return this.#locks !== null;
  }

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
  async take(work, unneeded) {
    /** @type {Promise<T> | undefined} */ let running;
    const run = () => (running = work());
    for (let steal = false; this.#locks; ) {
      try {
        const holder = await this.#holder();
        if (steal) this.#onSteal();
        const finished = await this.#request(run, steal, unneeded);
        if (finished !== OVERDUE) return finished;
        steal = holder !== undefined && holder === (await this.#holder());
      } catch (error) {
        if (running) return await running; // the lock was stolen from us, or the work has failed
        if (unneeded?.aborted) throw unneeded.reason;
        this.#locks = null; // refused: a sandboxed frame, blocked cookies
      }
    }
    return this.#inThisTab(run, unneeded);
  }

  /**
   * @template T
   * @param {() => Promise<T>} run @param {boolean} steal @param {AbortSignal} [unneeded]
   * @returns {Promise<T | typeof OVERDUE>}
   */
  async #request(run, steal, unneeded) {
    const locks = /** @type {LockManager} */ (this.#locks);
    if (steal) return locks.request(this.#name, { steal }, run);
    const waiting = new AbortController();
    const giveUp = () => waiting.abort(unneeded?.reason);
    const timer = setTimeout(() => waiting.abort(OVERDUE), this.#overdueMs * (1 + Math.random() / 10));
    unneeded?.addEventListener("abort", giveUp);
    if (unneeded?.aborted) giveUp();
    try {
      return await locks.request(this.#name, { signal: waiting.signal }, () => {
        clearTimeout(timer);
        return run();
      });
    } catch (error) {
      if (error === OVERDUE) return OVERDUE;
      throw error;
    } finally {
      clearTimeout(timer);
      unneeded?.removeEventListener("abort", giveUp);
    }
  }

  /** @template T @param {() => Promise<T>} run @param {AbortSignal} [unneeded] @returns {Promise<T>} */
  async #inThisTab(run, unneeded) {
    const before = this.#last;
    /** @type {() => void} */ let done = () => {};
    this.#last = new Promise((resolve) => (done = resolve));
    try {
      await (unneeded ? abortable(before, unneeded) : before);
      return await run();
    } finally {
      before.then(done); // who leaves the queue early lets nobody pass those before
    }
  }

  async #holder() {
    return (await this.#held()).find((lock) => lock.name === this.#name)?.clientId;
  }

  async #held() {
    return (await this.#locks?.query())?.held ?? [];
  }

  /**
   * Mark a token as published, for a while; return when all tabs can see the mark.
   *
   * The lock travels apart from the message, and may overtake it: the next holder would refresh again. So the token's id
   * is the name of a second lock. All tabs see locks in one order; who finds that one knows what is coming.
   * @param {string} id
   */
  async mark(id) {
    if (!this.#locks) return;
    await new Promise((granted) => {
      const held = this.#locks?.request(`${this.#name} token ${id}`, () => {
        granted(undefined);
        return sleep(MARK_MS);
      });
      held?.catch(granted); // no mark: the others refresh once more
    });
  }

  /** Return the ids of tokens that were published a moment ago. @returns {Promise<string[]>} */
  async marks() {
    const prefix = `${this.#name} token `;
    const names = (await this.#held()).map((lock) => lock.name ?? "");
    return names.filter((mark) => mark.startsWith(prefix)).map((mark) => mark.slice(prefix.length));
  }
}
