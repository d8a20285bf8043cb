/** Which addresses can be, and may see a token. */

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i; // RFC 1035 §2.3.4, and the underscore that names of containers have
const NAME_MAX = 253;

/**
 * Return the base address of the auth service, without a slash at its end.
 * @param {unknown} text @returns {string}
 * @throws {TypeError} it cannot be one
 */
export function authBase(text) {
  return checked("authUrl", text).href.replace(/\/+$/, "");
}

/**
 * Return the origins that get the access token.
 * @param {unknown} list @returns {Set<string>}
 * @throws {TypeError} there is none, or one that cannot be
 */
export function originsOf(list) {
  if (!Array.isArray(list) || list.length === 0) {
    throw new TypeError('origins is a list of at least one origin: origins: ["https://api.example"]');
  }
  return new Set(list.map(originOf));
}

/** @param {unknown} text */
function originOf(text) {
  const url = checked("origin", text);
  if (url.pathname !== "/") throw new TypeError(`origin ${text} must not have a path: write ${url.origin}`);
  return url.origin;
}

/**
 * Return the origin that a request goes to; null for what is no request, such as `blob:`, whose origin is the page's. A relative
 * address counts from where the browser would count it.
 * @param {string | URL} url @returns {string | null}
 * @throws {TypeError} it cannot be an address
 */
export function originAsked(url) {
  const { protocol, origin } = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
  return protocol === "https:" || protocol === "http:" ? origin : null;
}

/** @param {string} what @param {unknown} text */
function checked(what, text) {
  const url = parsed(text);
  if (!url || !isHost(url.hostname) || url.port === "0") {
    throw new TypeError(`${what} ${text} is no address: write it like https://auth.example`);
  }
  if (url.username || url.password) throw new TypeError(`${what} must not carry a user or a password`);
  if (/[?#]/.test(url.href)) throw new TypeError(`${what} ${text} must not carry a query or a fragment`);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))) {
    throw new TypeError(`${what} ${text}: https is needed, or tokens travel in the clear`);
  }
  return url;
}

/** @param {unknown} text */
function parsed(text) {
  try {
    return new URL(/** @type {string} */ (text));
  } catch {
    return null;
  }
}

/** Browsers parse names that no DNS holds. @param {string} host */
function isHost(host) {
  if (host.startsWith("[")) return true;
  const name = host.replace(/\.$/, "");
  const labels = name.split(".");
  return name.length <= NAME_MAX && labels.every((label) => LABEL.test(label));
}

/** RFC 6761 §6.3, RFC 8252 §8.3. @param {string} host */
function isLoopback(host) {
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}
