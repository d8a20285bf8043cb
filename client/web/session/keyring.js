/** The key that the session in the cookie is bound to, in IndexedDB: all tabs of the origin prove it. */

import { newKey } from "./proof.js";
import { sleep } from "./waiting.js";

/** @typedef {import("./proof.js").ProofKey} ProofKey */

const DATABASE = "dualtoken";
const STORE = "keys";
const ANSWER_MS = 3_000; // some browsers' IndexedDB is stuck at times, until they are restarted
const KEPT = 3; // the session's, and those of log-ins whose answer nobody has heard

/** The latest key comes first. What the browser refuses to keep is not kept, and the session is bound to nothing then. */
export class Keyring {
  #name;
  #wanted;

  /** @param {string} name @param {boolean} wanted  whether sessions are to be bound at all */
  constructor(name, wanted) {
    this.#name = name;
    this.#wanted = wanted;
  }

  /**
   * Make a key for a log-in, and keep it beside the present one: to whichever of them the cookie will be bound, it is there.
   * @returns {Promise<ProofKey | null>}
   */
  async prepare() {
    if (!this.#wanted) return null;
    try {
      const key = await newKey();
      await this.prefer(key);
      return key;
    } catch {
      return null;
    }
  }

  /** Return the keys that the session may be bound to. @returns {Promise<ProofKey[]>} @throws {unknown} nobody knows whether there are any */
  load() {
    return changed(this.#name, (kept) => kept);
  }

  /** Put a key first. @param {ProofKey} key */
  async prefer(key) {
    await changed(this.#name, (kept) => [key, ...without(kept, [key])].slice(0, KEPT));
  }

  /** Forget keys, and no others: another tab may have made one meanwhile. @param {(ProofKey | null)[]} keys */
  async discard(keys) {
    await changed(this.#name, (kept) => without(kept, keys)).catch(() => {});
  }
}

/** Whether an entry is a key: any script of this origin can write there. @param {any} entry */
function isKey(entry) {
  return entry?.privateKey instanceof CryptoKey && typeof entry.jwk?.x === "string";
}

/** @param {ProofKey[]} kept @param {(ProofKey | null)[]} keys */
function without(kept, keys) {
  return kept.filter(({ jwk }) => keys.every((key) => key?.jwk.x !== jwk.x));
}

/**
 * Change what is kept under a name, in one transaction. The database is closed again, so that no tab blocks another.
 * @param {string} name @param {(kept: ProofKey[]) => ProofKey[]} change @returns {Promise<ProofKey[]>} what is kept now
 */
function changed(name, change) {
  const late = sleep(ANSWER_MS).then(() => Promise.reject(new Error("IndexedDB does not answer")));
  return Promise.race([changing(name, change), late]);
}

/** @param {string} name @param {(kept: ProofKey[]) => ProofKey[]} change @returns {Promise<ProofKey[]>} */
async function changing(name, change) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  /** @type {IDBDatabase} */ const database = await outcome(opening, "onsuccess");
  try {
    const transaction = database.transaction(STORE, "readwrite");
    const store = transaction.objectStore(STORE);
    const found = await outcome(store.get(name), "onsuccess");
    const kept = Array.isArray(found) ? found.filter(isKey) : [];
    const next = change(kept);
    if (next.length === 0) store.delete(name);
    else if (next !== kept) store.put(next, name);
    await outcome(transaction, "oncomplete");
    return next;
  } finally {
    database.close();
  }
}

/** @param {any} source  a request or a transaction @param {"onsuccess" | "oncomplete"} done @returns {Promise<any>} */
function outcome(source, done) {
  return new Promise((resolve, reject) => {
    source[done] = () => resolve(source.result);
    source.onerror = source.onabort = source.onblocked = () => reject(source.error ?? new Error("IndexedDB is blocked"));
  });
}
