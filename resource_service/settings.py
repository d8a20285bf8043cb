"""The settings, from the environment: each is ``RESOURCE_`` and its name in capitals."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field, SecretStr, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from yarl import URL

from resource_service.endpoints import checked_endpoint
from resource_service.errors import StartProblem

PREFIX = "RESOURCE_"
LONGEST_ACCESS_TTL_S = 86_400
"""That the auth service can be set to."""
MOST_CACHED_TOKENS = 10_000_000
SECRET_LIMIT = 4096
"""Characters of a secret, at most."""


class Settings(BaseSettings):
    """How one resource service runs. Values are checked here, once; what files hold is checked where it is read."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8002, ge=0, le=65535, description="0: a free one, named when ready")
    issuer: str = Field(default="http://localhost:8001", description="the iss that access tokens must carry")
    audience: str = Field(default="http://localhost:8002", description="the name that their aud must contain")
    keys: Path | None = Field(default=None, description="a JWK Set file; or else")
    jwks_url: str | None = Field(default=None, description="the URL of the issuer's public keys")
    leeway_s: float = Field(default=5, ge=0, le=300, description="how far the issuer's clock may differ")
    cached_tokens: int = Field(
        default=8192, ge=1, le=MOST_CACHED_TOKENS, description="verified tokens remembered per worker"
    )
    revocations_url: str | None = Field(default=None, description="the whole URL of the revocation feed")
    service_secret: SecretStr | None = Field(default=None, description="what the feed asks for")
    service_secret_file: Path | None = Field(default=None, description="the file that holds it")
    secrets_dir: Path | None = Field(default=None, description="a directory that holds it as resource_service_secret")
    revocations_stale: Literal["open", "closed"] = Field(
        default="closed", description="while the feed is silent: honour tokens as known, or refuse all with 503"
    )
    revocations_stale_after_s: float = Field(
        default=60, ge=25, allow_inf_nan=False, description="from when on the feed counts as silent"
    )
    access_ttl_s: int = Field(
        default=3600,
        gt=0,
        le=LONGEST_ACCESS_TTL_S,
        description="life of an access token, unless the feed names a longer",
    )
    workers: int = Field(default=1, ge=1, le=256, description="processes")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(default=(), description="exact origins of web pages")
    tls_cert: Path | None = Field(default=None, description="certificate chain, PEM")
    tls_key: Path | None = Field(default=None, description="its key, PEM")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("issuer", "audience")
    @classmethod
    def _quotable(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable() or '"' in value or "\\" in value:
            raise ValueError("printable ASCII without quotes or backslashes is needed")
        return value

    @field_validator("jwks_url", "revocations_url")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        if value is not None:
            checked_endpoint(value)
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _exact_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin == "*":
                raise ValueError("* cannot be combined with credentials: name the origins")
            if not _is_origin(origin):
                raise ValueError(f"not an origin: {origin}")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        StartProblem: one line for each setting that is wrong, without the values, which may be secret.
    """
    problems: list[str] = []
    secrets: dict[str, Any] = {}
    try:
        secrets = _secrets()
    except StartProblem as error:
        problems.extend(error.problems)
    given = {name for name in Settings.model_fields if os.environ.get(f"{PREFIX}{name.upper()}")} | secrets.keys()
    problems.extend(_contradictions(given))
    try:
        settings = Settings(**secrets)
    except pydantic.ValidationError as error:
        problems.extend(_line(fault) for fault in error.errors(include_url=False))
    if problems:
        raise StartProblem(*problems)
    return settings


def _contradictions(given: set[str]) -> Iterator[str]:
    if ("keys" in given) == ("jwks_url" in given):
        yield "RESOURCE_KEYS, RESOURCE_JWKS_URL: exactly one of them is needed"
    if "revocations_url" in given and not given & {"service_secret", "service_secret_file"}:
        yield "RESOURCE_SERVICE_SECRET: RESOURCE_REVOCATIONS_URL needs it"
    if ("tls_cert" in given) != ("tls_key" in given):
        yield "RESOURCE_TLS_CERT, RESOURCE_TLS_KEY: one needs the other"


def _line(fault: ErrorDetails) -> str:
    return f"{PREFIX}{fault['loc'][0]}".upper() + ": " + fault["msg"].removeprefix("Value error, ")


def _secrets() -> dict[str, Any]:
    """Find the service secret: in the environment, else in the file that is named, else in the secrets directory."""
    name = f"{PREFIX}SERVICE_SECRET"
    if os.environ.get(name):
        if os.environ.get(f"{name}_FILE"):
            raise StartProblem(f"{name}, {name}_FILE: only one of them can count")
        return {}
    file = os.environ.get(f"{name}_FILE")
    if file:
        return {"service_secret": _read_secret(f"{name}_FILE", Path(file))}
    directory = os.environ.get(f"{PREFIX}SECRETS_DIR")
    if not directory:
        return {}
    if not Path(directory).is_dir():
        raise StartProblem(f"{PREFIX}SECRETS_DIR: {directory} is not a directory")
    path = Path(directory) / name.lower()
    return {"service_secret": _read_secret(f"{PREFIX}SECRETS_DIR", path)} if path.exists() else {}


def _read_secret(setting: str, path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartProblem(f"{setting}: {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None
    if not secret or len(secret) > SECRET_LIMIT:
        raise StartProblem(f"{setting}: {path} is empty or longer than {SECRET_LIMIT} characters")
    return secret


def _is_origin(text: str) -> bool:
    try:
        url = URL(text)
        return url.scheme in {"http", "https"} and "*" not in text and str(url.origin()) == text
    except ValueError:
        return False
