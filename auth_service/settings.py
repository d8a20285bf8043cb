"""The settings of the auth service: environment variables named ``AUTH_…``, checked once, at start.

A secret may come from a file: ``AUTH_X_FILE=/path`` for any setting, or a directory of files named after the settings
(``AUTH_SECRETS_DIR``).
"""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from auth_service.errors import StartupError

PREFIX = "AUTH_"
# Shares of ``shutdown_s``. aiohttp waits twice for its handlers, before and after it tells them to end.
HANDLING = 0.4
DRAINING = 0.2
_ORIGIN = re.compile(r"https?://[^/\s?#@*]+", re.ASCII)
LONGEST_ACCESS_TTL_S = 86_400
LONGEST_SESSION_TTL_S = 10 * 365 * 86_400  # in milliseconds since the epoch, it must fit the database
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _split(value: object) -> object:
    return tuple(re.split(r"[\s,]+", value.strip())) if isinstance(value, str) and value.strip() else value or ()


def _networks(value: object) -> object:
    split = _split(value)
    return tuple(ipaddress.ip_network(item) for item in split) if isinstance(split, tuple) else split


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]


class Settings(BaseSettings):
    """One object, checked once. Times in seconds, as the suffix ``_s`` says."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    port: int = Field(8001, ge=0, le=65535)
    database_url: SecretStr = SecretStr("sqlite:///var/auth.db")
    issuer: str = "http://localhost:8001"
    audience: str = Field("http://localhost:8002", min_length=1)
    access_keys: Path = Path("var/keys/access.jwks.json")
    refresh_keys: Path = Path("var/keys/refresh.jwks.json")
    access_ttl_s: int = Field(3600, ge=1, le=LONGEST_ACCESS_TTL_S)
    refresh_ttl_s: int = Field(604_800, ge=1, le=LONGEST_SESSION_TTL_S)
    session_ttl_s: int = Field(2_592_000, ge=1, le=LONGEST_SESSION_TTL_S)
    sessions_per_user: int = Field(0, ge=0, le=1_000_000)  # 0: any number
    grace_s: int = Field(10, ge=0, le=60)
    workers: int = Field(1, ge=1, le=256)
    shutdown_s: int = Field(10, ge=1, le=600)
    cors_origins: Words = ()
    service_secret: SecretStr | None = None
    limits_url: SecretStr = SecretStr("memory://")
    hashing_threads: int | None = Field(None, ge=1, le=256)
    login_failures: int = Field(10, ge=1, le=1_000_000)
    password_min_length: int = Field(15, ge=8, le=64)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: Networks = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("issuer")
    @classmethod
    def _issuer_is_a_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
            raise ValueError("must be a URL without query and fragment (RFC 8414 §2)")
        if not value.isascii() or not value.isprintable() or '"' in value or "\\" in value:
            raise ValueError("must be printable ASCII without quotes or backslashes: it names the realm of challenges")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_exact(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Credentials are allowed across origins here, and `*` beside credentials would open every account.
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError("must be exact origins such as https://app.example; * is refused")
        return value

    @field_validator("access_keys", "refresh_keys", "tls_cert", "tls_key")
    @classmethod
    def _path_is_no_content(cls, value: Path | None) -> Path | None:
        # AUTH_X_FILE names a file that holds the path. A path that cannot be opened is printed: keys must not be.
        if value is not None and (len(str(value).splitlines()) > 1 or str(value).lstrip().startswith("{")):
            raise ValueError("must be a path, not what the file holds")
        return value

    @field_validator("service_secret")
    @classmethod
    def _secret_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @model_validator(mode="after")
    def _times_and_files_fit(self) -> Self:
        if self.refresh_ttl_s > self.session_ttl_s:
            raise ValueError("AUTH_REFRESH_TTL_S must not exceed AUTH_SESSION_TTL_S")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("AUTH_TLS_CERT and AUTH_TLS_KEY go together")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, then ``*_FILE``, then the secrets directory."""
        del dotenv_settings
        return init_settings, env_settings, _FilesNamedByEnvironment(settings_cls), file_secret_settings


class _FilesNamedByEnvironment(PydanticBaseSettingsSource):
    """``AUTH_X_FILE`` holds the path of a file that holds the value of ``AUTH_X``."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base's signature
        name = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(name)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as exc:
            raise StartupError(f"{name}: cannot read {path}: {exc}") from None

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def load_settings(**overrides: object) -> Settings:
    """Read and check the settings.

    Raises:
        StartupError: one line for each problem, each naming its variable; values are never repeated.
    """
    directory = os.environ.get(f"{PREFIX}SECRETS_DIR")
    if directory and not Path(directory).is_dir():
        raise StartupError(f"{PREFIX}SECRETS_DIR: no directory {directory}")
    try:
        return Settings(_secrets_dir=directory, **overrides)  # type: ignore[arg-type] # overrides are checked by pydantic
    except ValidationError as exc:
        raise StartupError("\n".join(_problems(exc))) from None


def _problems(exc: ValidationError) -> list[str]:
    lines = []
    for error in exc.errors(include_input=False, include_url=False, include_context=False):
        name = "_".join(str(part) for part in error["loc"][:1]).upper()
        message = error["msg"].removeprefix("Value error, ")
        lines.append(f"{PREFIX}{name}: {message}" if name else message)
    return lines
