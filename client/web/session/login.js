/** A log-in, by a password or by a code: which cookie it asks for, and which key its session is bound to. */

import { AuthUnavailable, InvalidCredentials } from "./errors.js";
import { leaseOf } from "./lease.js";
import { storedText } from "./storage.js";

/** @typedef {import("./proof.js").ProofKey} ProofKey */

const CODE_GRANT = "urn:dualtoken:session-code";

export class Login {
  #api;
  #turns;
  #keyring;
  #stolen;

  /**
   * @param {object} parts
   * @param {import("./auth-api.js").AuthApi} parts.api
   * @param {import("./turns.js").Turns} parts.turns
   * @param {import("./keyring.js").Keyring} parts.keyring
   * @param {import("./storage.js").StoredText} parts.stolen  whether a tab has ever lost its turn
   */
  constructor({ api, turns, keyring, stolen }) {
    this.#api = api;
    this.#turns = turns;
    this.#keyring = keyring;
    this.#stolen = stolen;
  }

  /**
   * Open a session, in turn.
   * @param {string} username @param {string} password
   * @throws {InvalidCredentials | AuthUnavailable | import("./errors.js").AuthRejected}
   */
  open(username, password) {
    return this.#bound("/login", { username, password, cookie: this.#cookie() });
  }

  /**
   * Open the session of a code that the page's backend has asked for, in turn. Its cookie is always a new one.
   * @param {string} code
   * @throws {InvalidCredentials | AuthUnavailable | import("./errors.js").AuthRejected}
   */
  exchange(code) {
    return this.#bound("/token", { grant_type: CODE_GRANT, code });
  }

  /** @param {string} path @param {object} body */
  async #bound(path, body) {
    const key = await this.#keyring.prepare();
    try {
      const lease = await this.#ask(path, body, key);
      if (!lease.bound) await this.#keyring.discard([key]);
      return lease;
    } catch (error) {
      // Without an answer, nobody knows which key the cookie is bound to.
      if (!(error instanceof AuthUnavailable)) await this.#keyring.discard([key]);
      throw error;
    }
  }

  /** @param {string} path @param {object} body @param {ProofKey | null} key */
  async #ask(path, body, key) {
    let answered = await this.#api.postOnce(path, { body, proofKey: key });
    if (key && answered.answer?.error === "invalid_dpop_proof") {
      // It was refused before password or code were looked at. An open session, told as such, is better than none.
      console.warn("dualtoken: the auth service takes no proofs for authUrl: list it in AUTH_DPOP_HTU");
      answered = await this.#api.postOnce(path, { body });
    }
    if (answered.status === 401) throw new InvalidCredentials("user name or password is wrong");
    if (answered.answer?.error === "invalid_grant") throw new InvalidCredentials("the code opens no session", answered.answer.reason);
    return leaseOf(answered);
  }

  /**
   * Say which cookie is needed. Where a tab may have lost its turn, or there are no turns, an older refresh may be under way:
   * its answer must not replace the cookie of this log-in.
   */
  #cookie() {
    const probe = storedText("dualtoken probe");
    const forgets = probe.write("kept") === null;
    probe.clear();
    return this.#stolen.read() || forgets || !this.#turns.shared ? "new" : true;
  }
}
