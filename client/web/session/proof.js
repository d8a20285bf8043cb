/** Proofs that this browser holds a key (DPoP, RFC 9449). */

import { randomId } from "./random.js";

/** @typedef {{privateKey: CryptoKey, jwk: {kty: string, crv: string, x: string, y: string}}} ProofKey  its private half leaves the browser by no way */

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };

/** Make a key that no script can export. @returns {Promise<ProofKey>} */
export async function newKey() {
  const { privateKey, publicKey } = await crypto.subtle.generateKey(CURVE, false, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  return { privateKey, jwk: /** @type {ProofKey["jwk"]} */ ({ kty, crv, x, y }) };
}

/**
 * Make a proof for one POST, §4.2.
 * @param {ProofKey} key @param {string} url @param {string | null} nonce
 */
export async function proofFor({ privateKey, jwk }, url, nonce) {
  const header = { typ: "dpop+jwt", alg: "ES256", jwk };
  const claims = { jti: randomId(), htm: "POST", htu: url, iat: Math.floor(Date.now() / 1000), ...(nonce === null ? {} : { nonce }) };
  const input = [header, claims].map((part) => base64url(utf8(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign(SIGNATURE, privateKey, utf8(input));
  return `${input}.${base64url(new Uint8Array(signature))}`;
}

/** @param {string} text */
function utf8(text) {
  return new TextEncoder().encode(text);
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
