import type { AxiosInstance } from "axios";

import type { Session } from "./silent-refresh.js";

/**
 * Give the requests of an axios instance (1.7 or newer) the session's access token, for the session's origins alone. One
 * refresh serves all of them; a refused request is sent again with another token, and each caller gets one answer. A
 * request with an `Authorization` or `auth` of its own is left alone.
 *
 * Beside axios's own errors, requests reject with those of `session.fetch`: `LoginRequired`, `AuthUnavailable`,
 * `AuthRejected`, `UserChanged`, and `NotReplayable` for a `ReadableStream` that met a 401.
 * @returns a function that takes the session off again
 * @throws TypeError: no axios instance, one that has a session already, too old, or without an adapter that works here
 */
export function attach(instance: AxiosInstance, session: Session): () => void;
