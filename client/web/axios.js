/**
 * Gives the requests of an axios instance the session's access token.
 *
 *     import { attach } from "dualtoken/axios";
 *     attach(axiosInstance, session);
 *
 * It works below all interceptors, where the request is sent: none of them can swallow the 401 that asks for another
 * token, and each sees one answer for one request. Streams, progress, aborts and timeouts are those of axios.
 *
 * @module
 */

import axios from "axios";

import { originAsked } from "./session/addresses.js";
import { asksForNewToken } from "./session/challenge.js";

/** @typedef {import("./silent-refresh.d.ts").Session} Session */
/** @typedef {import("axios").InternalAxiosRequestConfig} Config */
/** @typedef {import("axios").AxiosResponse} AxiosResponse */

const attached = new WeakSet();

/** @type {typeof import("./axios.d.ts").attach} */
export function attach(instance, session) {
  check(instance);
  attached.add(instance);
  const interceptor = instance.interceptors.request.use((config) => {
    const adapter = axios.getAdapter(config.adapter ?? instance.defaults.adapter);
    return { ...config, adapter: (/** @type {Config} */ sent) => new Call(session, adapter, sent).run() };
  });
  return () => {
    instance.interceptors.request.eject(interceptor);
    attached.delete(instance);
  };
}

/** @param {import("axios").AxiosInstance} instance */
function check(instance) {
  if (typeof instance?.interceptors?.request?.use !== "function") throw new TypeError("attach: this is no axios instance");
  if (attached.has(instance)) throw new TypeError("attach: this axios instance has a session already");
  if (typeof axios.getAdapter !== "function") throw new TypeError("attach: axios 1.7 or newer is needed");
  try {
    axios.getAdapter(instance.defaults.adapter);
  } catch (error) {
    throw new TypeError("attach: this axios has no adapter that works here: give it fetch or xhr", { cause: error });
  }
}

/** One request, with its repetitions. */
class Call {
  #session;
  #adapter;
  #config;

  /** @param {Session} session @param {import("axios").AxiosAdapter} adapter @param {Config} config */
  constructor(session, adapter, config) {
    this.#session = session;
    this.#adapter = adapter;
    this.#config = config;
  }

  /** @returns {Promise<AxiosResponse>} */
  async run() {
    const config = this.#config;
    if (config.headers.has("Authorization") || config.auth) return this.#adapter(config);
    const url = new axios.Axios({}).getUri(config); // without defaults: an interceptor may have dropped them
    const [aborted, late] = [abortedBy(config), lateAfter(config.timeout)];
    const signal = AbortSignal.any([aborted, late].filter((one) => one !== undefined));
    const replayable = !(config.data instanceof ReadableStream);
    try {
      const settle = await this.#session.send(url, (authorization) => this.#attempt(url, authorization), { signal, replayable });
      return settle();
    } catch (error) {
      if (axios.isAxiosError(error)) throw error;
      if (aborted?.aborted) throw new axios.CanceledError(undefined, config);
      if (late?.aborted && error === late.reason) throw timedOut(config);
      throw error;
    }
  }

  /**
   * Send it once. An answer that `validateStatus` takes for an error is an answer.
   * @param {string} url @param {string | null} authorization
   */
  async #attempt(url, authorization) {
    const headers = new axios.AxiosHeaders(this.#config.headers);
    if (authorization !== null) headers.set("Authorization", authorization);
    const [response, settle] = await this.#sent({ ...this.#config, headers });
    // As in `fetch`: where a redirect led to another origin nobody has refused the token. The fetch adapter does not tell.
    const led = response.request?.responseURL;
    const asked = !led || originAsked(led) === originAsked(url);
    const refused = response.status === 401 && asked && asksForNewToken(response.headers["www-authenticate"]);
    const discard = async () => response.data?.cancel?.().catch(() => {}); // a stream holds its connection
    return { answer: settle, refused, discard };
  }

  /**
   * @param {Config} config @returns {Promise<[AxiosResponse, () => AxiosResponse]>} the answer, and what the caller gets of
   *     it: with the request as the caller made it, so that neither logs nor a repetition find a token there
   */
  async #sent(config) {
    try {
      const response = await this.#adapter(config);
      response.config = this.#config;
      return [response, () => response];
    } catch (error) {
      if (!axios.isAxiosError(error)) throw error;
      error.config = this.#config;
      if (!error.response) throw error;
      error.response.config = this.#config;
      return [error.response, () => { throw error; }]; // prettier-ignore
    }
  }
}

/** @param {Config} config @returns {AbortSignal | undefined} */
function abortedBy({ signal, cancelToken }) {
  const signals = [signal, cancelToken && /** @type {any} */ (cancelToken).toAbortSignal?.()].filter(Boolean);
  return signals.length > 0 ? AbortSignal.any(/** @type {AbortSignal[]} */ (signals)) : undefined;
}

/** The time that a request has includes its waiting for a refresh. @param {number | undefined} timeoutMs */
function lateAfter(timeoutMs) {
  return timeoutMs && timeoutMs > 0 && timeoutMs < Infinity ? AbortSignal.timeout(timeoutMs) : undefined;
}

/** @param {Config} config */
function timedOut(config) {
  const { ETIMEDOUT, ECONNABORTED } = axios.AxiosError;
  const code = config.transitional?.clarifyTimeoutError ? ETIMEDOUT : ECONNABORTED;
  return new axios.AxiosError(config.timeoutErrorMessage || `timeout of ${config.timeout}ms exceeded`, code, config);
}
