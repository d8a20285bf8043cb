"""FastAPI + PyJWT: the bearer dependency of FastAPI's tutorial, HS256, in front of a handler that answers the claims.

Served by uvicorn with one worker, uvloop and httptools. It checks signature, expiry, issuer and audience; no scopes, no
revocation.

    uvicorn peer:app
"""

import os
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer

KEY = os.environ["PEER_KEY"]
ISSUER, AUDIENCE = "http://localhost:8001", "http://localhost:8002"

app = FastAPI()
bearer = OAuth2PasswordBearer(tokenUrl="login")


async def claims(token: Annotated[str, Depends(bearer)]) -> dict[str, Any]:
    """Return the claims of a token that is good."""
    try:
        return jwt.decode(token, KEY, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from error


@app.get("/home")
async def home(claims: Annotated[dict[str, Any], Depends(claims)]) -> dict[str, Any]:
    """Greet the user of the token."""
    names = ("username", "email", "sub", "sid", "scope", "iat", "exp")
    return {
        "status": "success",
        "message": f"Hello, {claims['username']}!",
        "data": {name: claims[name] for name in names},
    }
