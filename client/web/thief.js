/** The story of a stolen refresh token, played for real against both services, on a session of its own. */

const NEWS_MS = 5_000; // a revocation reaches the resource service in less than a second
const LOOK_EVERY_MS = 100;

/**
 * @typedef {object} Step
 * @property {"opened" | "rotated" | "replayed" | "owner" | "access" | "end"} name
 * @property {string} [detail]  a token, shortened
 * @property {number} [status]
 * @property {string} [outcome]
 */

/**
 * Open a session whose refresh token lies open, copy it, let its owner go on, and play the copy.
 * @param {{authUrl: string, apiUrl: string}} services
 * @param {{username: string, password: string}} credentials
 * @returns {AsyncGenerator<Step>}
 * @throws {Response | TypeError} the log-in was refused; no answer
 */
export async function* steal({ authUrl, apiUrl }, credentials) {
  const opened = await post(`${authUrl}/login`, credentials);
  if (!opened.response.ok) throw opened.response;
  const copy = opened.body.refresh_token;
  yield { name: "opened", detail: shortened(copy), ...outcome(opened) };

  // The owner's client sends an Idempotency-Key, as a good client does: without the key, the spent token is a replay at once.
  const rotated = await post(`${authUrl}/refresh`, { refresh_token: copy }, { "Idempotency-Key": crypto.randomUUID() });
  yield { name: "rotated", detail: shortened(rotated.body.refresh_token), ...outcome(rotated) };

  yield { name: "replayed", ...outcome(await post(`${authUrl}/refresh`, { refresh_token: copy })) };
  yield { name: "owner", ...outcome(await post(`${authUrl}/refresh`, { refresh_token: rotated.body.refresh_token })) };
  yield { name: "access", ...outcome(await refused(`${apiUrl}/home`, rotated.body.access_token)) };
  yield { name: "end" };
}

async function post(url, body, headers = {}) {
  const response = await fetch(url, {
    method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body), credentials: "omit",
  });
  return { response, body: await response.json() };
}

/** Call until the resource service has heard the news. */
async function refused(url, accessToken) {
  const until = performance.now() + NEWS_MS;
  for (;;) {
    const response = await fetch(url, { headers: { Authorization: `Bearer ${accessToken}` }, credentials: "omit" });
    if (response.status === 401 || performance.now() > until) return { response, body: await response.json() };
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

function outcome({ response, body }) {
  const said = body.reason ?? (response.status === 401 ? body.error_description : undefined);
  return { status: response.status, outcome: [response.status, said].filter(Boolean).join(" ") };
}

function shortened(token) {
  return `${token.slice(0, 9)}…${token.slice(-4)}`;
}
