/** How long something is ago, for machines that sleep. */

/** @typedef {{monotonic: number, wall: number}} Instant */

/** @returns {Instant} */
export function instant() {
  return { monotonic: performance.now(), wall: Date.now() };
}

/**
 * Return the milliseconds since then.
 *
 * `performance.now()` stands still during sleep on some systems, and the wall clock may be set: of both, the passing that
 * says more counts. A wall clock set forward makes a token look older than it is, which costs one refresh.
 * @param {Instant} since
 */
export function passedMs({ monotonic, wall }) {
  return Math.max(0, performance.now() - monotonic, Date.now() - wall);
}

/** A pause that ends by itself, or before. */
export class Pause {
  #begun = instant();
  #ms = 0;

  /** @param {number} ms from now */
  begin(ms) {
    [this.#begun, this.#ms] = [instant(), ms];
  }

  end() {
    this.#ms = 0;
  }

  get leftMs() {
    return Math.max(0, this.#ms - passedMs(this.#begun));
  }
}
