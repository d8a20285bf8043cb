/** Promises that somebody may stop waiting for. */

/**
 * Settle as *promise* does, or reject when *signal* aborts; the promise goes on for the others.
 * @template T @param {Promise<T>} promise @param {AbortSignal} signal @returns {Promise<T>}
 */
export function abortable(promise, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

const MOST_MS = 24 * 60 * 60 * 1000; // a timer of more than 24 days ends at once

/**
 * Return how long to wait.
 * @param {string} what @param {unknown} ms @param {number} otherwise  where nothing is said
 * @throws {TypeError} it is no time that one can wait for
 */
export function msOf(what, ms, otherwise) {
  const chosen = ms ?? otherwise;
  if (typeof chosen === "number" && chosen > 0 && chosen <= MOST_MS) return chosen;
  throw new TypeError(`${what} ${chosen} is no time: say milliseconds, a day at most`);
}

/** @param {number} ms @returns {Promise<void>} */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
