/** An access token and what is known of it. */

import { instant, passedMs } from "./clock.js";
import { AuthRejected } from "./errors.js";
import { randomId } from "./random.js";

/** @typedef {import("../silent-refresh.d.ts").User} User */
/**
 * @typedef {object} Lease
 * @property {string} accessToken
 * @property {string} id  tells this token from others, and is no secret
 * @property {string | null} sid  the session, as the token itself says; null if it cannot be read
 * @property {User} user
 * @property {import("./clock.js").Instant} bornAt  when it was asked for, or told of by another tab
 * @property {number} lifeMs  counted from there
 * @property {number} renewAfterMs  from then on it is renewed in the background
 * @property {number} refreshLifeMs  of the session, if nothing renews it
 * @property {boolean} bound  whether refreshes need a proof of this browser's key
 * @property {string | null} refusedBy  the origin that refused the token before it, if that is why it was renewed
 */

const RENEW_FRACTION = 0.1; // of a token's life: renewed ahead of expiry, nobody waits
const RENEW_MAX_MS = 60_000;
const MIN_USE_MS = 1_000; // a token that just came is not renewed for its age

/** @param {Lease} lease */
export function leftMs({ lifeMs, bornAt }) {
  return Math.max(0, lifeMs - passedMs(bornAt));
}

/** @param {Lease | null} lease */
export function isFresh(lease) {
  return lease !== null && leftMs(lease) > 0;
}

/** Whether it is time to renew it ahead of its end. @param {Lease} lease */
export function isAged({ renewAfterMs, bornAt }) {
  return passedMs(bornAt) >= renewAfterMs;
}

/**
 * Read a token answer of the auth service.
 * @param {import("./auth-api.js").Answered} answered @returns {Lease}
 * @throws {AuthRejected} it is none
 */
export function leaseOf({ status, answer, askedAt }) {
  const life = answer?.expires_in * 1000;
  const user = answer?.userInfo;
  if (status !== 200 || typeof answer?.access_token !== "string" || !(life >= 0) || typeof user?.username !== "string") {
    throw new AuthRejected(`the auth service answered ${status} ${answer?.error ?? "without a token"}`);
  }
  const lifeMs = Math.max(life, passedMs(askedAt) + MIN_USE_MS);
  return {
    accessToken: answer.access_token,
    id: randomId(),
    sid: claimsOf(answer.access_token).sid,
    user,
    bornAt: askedAt,
    lifeMs,
    renewAfterMs: lifeMs - Math.min(life * RENEW_FRACTION, RENEW_MAX_MS),
    refreshLifeMs: answer.refresh_expires_in * 1000,
    bound: answer.bound === true,
    refusedBy: null,
  };
}

/** Return what other tabs need: clocks of tabs begin at different times. @param {Lease} lease */
export function told({ accessToken, id, bornAt, lifeMs, renewAfterMs, refreshLifeMs, refusedBy }) {
  const [life, renewAfter, refreshLife] = [lifeMs, renewAfterMs, refreshLifeMs].map((ms) => ms - passedMs(bornAt));
  return { accessToken, id, life, renewAfter, refreshLife, refusedBy };
}

/**
 * Return the token that another tab tells of, if it is a newer one of the session that this tab holds.
 *
 * Any script of this origin can send such a message. What it says of the user does not count: the token itself must name
 * the session that the auth service has given to *this* tab. A token of another session would make the page somebody else,
 * and a forged one is refused by every resource service.
 * @param {any} message @param {Lease} held @returns {Lease | null}
 */
export function leaseFrom({ accessToken, id, life, renewAfter, refreshLife, refusedBy }, held) {
  const numbers = [life, renewAfter, refreshLife].every(Number.isFinite);
  if (typeof accessToken !== "string" || typeof id !== "string" || !numbers || held.sid === null) return null;
  const { sid, mostMs } = claimsOf(accessToken);
  const lifeMs = Math.min(life, mostMs);
  if (sid !== held.sid || lifeMs < leftMs(held)) return null; // or a tab that was frozen tells old news
  return {
    accessToken, id, sid,
    user: held.user,
    bornAt: instant(),
    lifeMs,
    renewAfterMs: Math.min(renewAfter, lifeMs),
    refreshLifeMs: refreshLife,
    bound: held.bound,
    refusedBy: typeof refusedBy === "string" ? refusedBy : null,
  };
}

/** Read what the page of the auth service's own tokens may rely on. @param {string} accessToken */
function claimsOf(accessToken) {
  try {
    const payload = accessToken.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { sid, iat, exp } = JSON.parse(atob(payload)); // these three are ASCII, and so is what is around them
    return { sid: typeof sid === "string" ? sid : null, mostMs: (exp - iat) * 1000 };
  } catch {
    return { sid: null, mostMs: 0 };
  }
}
