/** Sessions of short access tokens for web pages: renewed before anybody notices, once for all tabs of an origin. */

export interface User {
  readonly username: string;
  readonly email: string;
}

export interface Options {
  /** Base address of the auth service. */
  authUrl: string;
  /** Who gets the access token: exact origins, https unless local. */
  origins: readonly string[];
  /** The session has ended, or there is none. */
  onLoginRequired?: (error: LoginRequired) => void;
  /** A refresh has brought a new access token. */
  onRefresh?: (renewed: { user: User; expiresInMs: number; by: "this tab" | "another tab" }) => void;
  /** After every change of `status`, but for the passing of time. */
  onChange?: (status: Status) => void;
  /** Sends requests; the browser's `fetch` by default. */
  fetch?: typeof fetch;
  /** For one refresh, its retries included: 15,000 by default. Each attempt gets a third of it. */
  timeoutMs?: number;
  /**
   * Whether sessions are bound to a key of this browser and origin: true by default. Say false where pages of several origins
   * share a session.
   */
  bind?: boolean;
  /** How long another tab may keep its turn before it counts as frozen: `timeoutMs` and 5,000 more by default. */
  overdueMs?: number;
}

export interface Status {
  /**
   * `unreachable`: nobody knows yet whether there is a session, because the auth service does not answer; the next `fetch`
   * or `restore` asks again.
   */
  readonly state: "restoring" | "active" | "ended" | "unreachable";
  readonly user: User | null;
  /** Of the access token. */
  readonly expiresInMs: number | null;
  /** Of the session, if nothing renews it. */
  readonly refreshExpiresInMs: number | null;
  readonly refreshing: boolean;
  /**
   * Whether the session is bound to a key of this browser, so that its cookie is worthless elsewhere. It is not where keys or
   * IndexedDB are refused, or the auth service binds none; null without a session.
   */
  readonly bound: boolean | null;
  /** Why the session ended. */
  readonly reason: string | null;
  /** Why the last refresh failed, if it did. */
  readonly problem: SessionError | null;
}

/** `refused`: a 401 that asks for another token. `discard` lets go of such an answer, whose connection the refresh may need. */
export interface Attempt<T> {
  answer: T;
  refused: boolean;
  discard?(): unknown;
}

export interface Session {
  /**
   * Open a session. Those of other tabs change with it.
   * @throws InvalidCredentials, AuthUnavailable, AuthRejected
   */
  login(username: string, password: string): Promise<User>;
  /**
   * Open the session of a code that the page's backend got from `POST /sessions` for this origin: as `login` does.
   *
   * A code counts once, and one that is presented again ends its session: take it out of the address before this call.
   * After AuthUnavailable the same code may be tried again; if it was spent by then, ask the backend for another.
   * @throws InvalidCredentials with `reason`; AuthUnavailable, AuthRejected
   */
  exchange(code: string): Promise<User>;
  /**
   * End the session: here and in the other tabs at once, then at the auth service. If that cannot be reached, the next load
   * of the page tells it, and restores nothing.
   * @throws AuthUnavailable, AuthRejected: logged out here; the auth service does not know yet
   * @throws LogoutNotKept: nor does this browser: a reload undoes it
   */
  logout(scope?: { everywhere?: boolean }): Promise<void>;
  /**
   * `fetch` with the access token for allowed origins, and without it for others. Renews an expired token first, and a
   * refused one. A call with an Authorization of its own is left alone, and so is one in the mode `no-cors`, which cannot
   * carry a token.
   * @throws LoginRequired, AuthUnavailable, AuthRejected, NotReplayable, UserChanged
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /**
   * Return an access token that is good now, for what `fetch` does not send: WebSockets, uploads, other libraries.
   *
   * `rejected`: the token that `origin` has just refused. It comes back itself where that origin refuses fresh tokens as
   * well, so that a refresh would not help: give up then.
   * @throws LoginRequired, AuthUnavailable, AuthRejected, UserChanged
   */
  token(what?: { rejected?: string; origin?: string; signal?: AbortSignal }): Promise<string>;
  /**
   * What `fetch` does, for another HTTP library (`axios.js` is made of it): call *attempt*, and once more with another token
   * after a refusal that a refresh may mend, three times at most. *attempt* gets the `Authorization` for that address, or
   * null for an origin that gets no token. `replayable`: whether it can send the same body again.
   * @throws as `fetch`, and what *attempt* throws
   */
  send<T>(
    url: string | URL,
    attempt: (authorization: string | null) => Promise<Attempt<T>>,
    how?: { signal?: AbortSignal; replayable?: boolean },
  ): Promise<T>;
  /** Ask again whether there is a session. Never rejects. */
  restore(): Promise<Status>;
  /** Let go of everything, as for a hot reload. The session itself lives on, for the next `createSession`. */
  close(): void;
  /** Settles when it is known whether there is a session, or that the auth service does not answer. Never rejects. */
  readonly ready: Promise<Status>;
  readonly status: Status;
}

/**
 * Make the page's session, once. Under a server that renders the page it asks nobody, and its calls are `NoSessionHere`.
 * @throws TypeError: an address or a time that cannot be, or an address that would expose tokens
 */
export function createSession(options: Options): Session;

/** Base of everything that this module throws on purpose. No message holds a token, a password or a body. */
export class SessionError extends Error {}
/**
 * The auth service knows no such user and password; or a code opens no session: `reason` is then what it says, `expired`,
 * `replayed`, `origin`, `malformed`, `unknown_user`, `user_disabled`, `password_changed`. It is null for a password.
 */
export class InvalidCredentials extends SessionError {
  constructor(message: string, reason?: unknown);
  readonly reason: string | null;
}
/**
 * There is no session, or it has ended. `reason`: `no_session`, `logged_out`, or what the auth service says: `expired`,
 * `revoked`, `reused`, `unknown`, `malformed`; or `key_lost`: this browser has lost the key that the session is bound to.
 */
export class LoginRequired extends SessionError {
  constructor(reason: string);
  readonly reason: string;
}
/** No answer, or 408, 425, 429 or 5xx: nothing is lost, try again. `retryAfterMs`: how long the service asks to wait. */
export class AuthUnavailable extends SessionError {
  constructor(message: string, retryAfterMs?: number | null);
  readonly retryAfterMs: number | null;
}
/** The auth service answers something that makes no sense: a matter for its operator. */
export class AuthRejected extends SessionError {}
/** Logged out here alone, and a reload undoes it: call `logout` again. */
export class LogoutNotKept extends SessionError {}
/** A 401 met a body that cannot be sent twice. The token has been renewed: make the body anew and repeat the call. */
export class NotReplayable extends SessionError {}
/** Another user has logged in while the call waited: it was not sent in that name. */
export class UserChanged extends SessionError {}
/** `close` was called, or a server renders the page. */
export class NoSessionHere extends SessionError {}
