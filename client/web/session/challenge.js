/** What a 401 asks for (RFC 6750 §3.1). */

/**
 * Tell whether another token may help. A header that CORS does not show us is no objection.
 * @param {string | null | undefined} challenge `WWW-Authenticate`
 */
export function asksForNewToken(challenge) {
  return challenge == null || (/\bbearer\b/i.test(challenge) && !/error\s*=\s*"?insufficient_scope/i.test(challenge));
}
