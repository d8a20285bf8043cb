"""Links of mails: signed, for one purpose, for an hour, and for an account that is as it was when they were sent."""

import time

import jwt

_LIFE_S = 3600


class BadLink(Exception):
    """The link is none of ours, has expired, or was used."""

    def __str__(self) -> str:
        """Say no more: it may be somebody who guesses."""
        return "this link does not work any more"


class Links:
    """Makes and reads what stands in a link."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, email: str, purpose: str, etag: str) -> str:
        """Return the token of a link. *etag* is the account's: whatever changes the account makes the link void."""
        claims = {"email": email, "aud": purpose, "etag": etag, "exp": int(time.time()) + _LIFE_S}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def read(self, token: str, purpose: str) -> tuple[str, str]:
        """Return the address and the ETag. Raises: BadLink."""
        try:
            options = {"require": ["exp", "aud"]}
            claims = jwt.decode(token, self._secret, algorithms=["HS256"], audience=purpose, options=options)
        except jwt.InvalidTokenError:
            raise BadLink from None
        return claims["email"], claims["etag"]
