/** What the module throws on purpose. No message holds a token, a password or a body. */

/** Base of all. */
export class SessionError extends Error {
  get name() {
    return this.constructor.name;
  }
}
/**
 * The auth service knows no such user and password; or a code opens no session: `reason` is then what it says, `expired`,
 * `replayed`, `origin`, `malformed`, `unknown_user`, `user_disabled`, `password_changed`. It is null for a password.
 */
export class InvalidCredentials extends SessionError {
  /** @param {string} message @param {unknown} [reason] */
  constructor(message, reason = null) {
    super(message);
    this.reason = reason === null ? null : String(reason);
  }
}
/**
 * There is no session, or it has ended. `reason`: `no_session`, `logged_out`, or what the auth service says: `expired`,
 * `revoked`, `reused`, `unknown`, `malformed`; or `key_lost`: this browser has lost the key that the session is bound to.
 */
export class LoginRequired extends SessionError {
  /** @param {string} reason */
  constructor(reason) {
    super(`login required: ${reason}`);
    this.reason = reason;
  }
}
/**
 * No answer, or 408, 425, 429 or 5xx: nothing is lost, try again. A browser reports an origin that the auth service does not
 * allow in the same way. `retryAfterMs`: how long the service asks to wait, or null.
 */
export class AuthUnavailable extends SessionError {
  /** @param {string} message @param {number | null} [retryAfterMs] */
  constructor(message, retryAfterMs = null) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}
/** The auth service answers something that makes no sense: a matter for its operator. */
export class AuthRejected extends SessionError {}
/**
 * Logged out here, but neither the auth service nor the browser's storage has taken it: a reload of the page undoes it.
 * Call `logout` again. `cause`: why the auth service does not know.
 */
export class LogoutNotKept extends SessionError {
  /** @param {SessionError} cause */
  constructor(cause) {
    super(`a reload undoes this log-out, since this browser stores nothing: call logout again (${cause.message})`, { cause });
  }
}
/** A 401 met a body that cannot be sent twice. The token has been renewed: make the body anew and repeat the call. */
export class NotReplayable extends SessionError {}
/** Another user has logged in, in this tab or another, while the call waited: it was not sent in that name. */
export class UserChanged extends SessionError {}
/** `close` was called, or the page is being rendered by a server, where there is no session. */
export class NoSessionHere extends SessionError {}
