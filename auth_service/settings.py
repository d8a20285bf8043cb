"""The settings of the auth service: environment variables named ``AUTH_…``, checked once, at start.

A secret may come from a file: ``AUTH_X_FILE=/path`` for any setting, or a directory of files named after the settings
(``AUTH_SECRETS_DIR``).
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict
from yarl import URL

from dualtoken_serving.origins import browser_origin
from dualtoken_serving.settings_source import Host, PathOfFile, ServiceSettings, load

from .domain.shared_secret import secret_values

PREFIX = "AUTH_"
# Shares of ``shutdown_s``. aiohttp waits twice for its handlers, before and after it tells them to end.
HANDLING = 0.4
DRAINING = 0.2
LONGEST_ACCESS_TTL_S = 86_400
LONGEST_SESSION_TTL_S = 10 * 365 * 86_400  # in milliseconds since the epoch, it must fit the database
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _split(value: str) -> tuple[str, ...]:
    return tuple(filter(None, re.split(r"[\s,]+", value)))


def _words(value: object) -> object:
    return _split(value) if isinstance(value, str) else value or ()


def _is_base(text: str) -> bool:
    """Whether *text* is an address to which the path of an endpoint can be added: any other would never match."""
    parts = urlsplit(text)
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and parts.username is None
        and not re.search(r"[\s?#]", text)
    )


def _networks(value: object) -> object:
    split = _words(value)
    return tuple(_network(ipaddress.ip_network(item)) for item in split) if isinstance(split, tuple) else split


def _network(network: Network) -> Network:
    """Return IPv4 for IPv4-mapped IPv6 (RFC 4291 §2.5.5.2): addresses are compared in the shorter form."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return ipaddress.ip_network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]


@cache
def _cookie_name(name: str | None, issuer: str) -> str:
    # The browser takes it only with HttpOnly, Secure, Path=/ and no Domain, from an answer: neither a script nor a
    # sibling host can plant one. Where the longer prefix is not known, the shorter one counts.
    own = name or f"refresh_{hashlib.sha256(issuer.rstrip('/').encode()).hexdigest()[:8]}"
    return f"__Host-Http-{own}"


class Settings(ServiceSettings):
    """One object, checked once. Times in seconds, as the suffix ``_s`` says."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    host: Host = "127.0.0.1"
    port: int = Field(8001, ge=0, le=65535)
    database_url: SecretStr = SecretStr("sqlite:///var/auth.db")
    accept_newer_schema: bool = False
    database_schema: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    issuer: str = "http://localhost:8001"
    audience: str = Field("http://localhost:8002", min_length=1)
    access_keys: PathOfFile = Path("var/keys/access.jwks.json")
    refresh_keys: PathOfFile = Path("var/keys/refresh.jwks.json")
    access_ttl_s: int = Field(3600, ge=1, le=LONGEST_ACCESS_TTL_S)
    refresh_ttl_s: int = Field(604_800, ge=1, le=LONGEST_SESSION_TTL_S)
    session_ttl_s: int = Field(2_592_000, ge=1, le=LONGEST_SESSION_TTL_S)
    sessions_per_user: int = Field(0, ge=0, le=1_000_000)  # 0: any number
    grace_s: int = Field(30, ge=0, le=60)
    workers: int = Field(1, ge=1, le=256)
    shutdown_s: int = Field(10, ge=1, le=600)
    cors_origins: Words = ()
    dpop: Literal["optional", "required", "off"] = "optional"
    dpop_htu: Words = ()
    cookie_name: str | None = Field(None, pattern=r"^[A-Za-z0-9_]{1,40}$")
    service_secret: SecretStr | None = None
    backend_secret: SecretStr | None = None
    backend_calls: int = Field(6000, ge=0, le=10_000_000)  # a minute; 0: any number
    trusted_issuers: PathOfFile | None = None
    limits_url: SecretStr = SecretStr("memory://")
    hashing_threads: int | None = Field(None, ge=1, le=256)
    login_failures: int = Field(10, ge=1, le=1_000_000)
    refreshes_per_minute: int = Field(120_000, ge=0, le=100_000_000)  # of a network, in a process; 0: any number
    listings_per_minute: int = Field(6_000, ge=0, le=100_000_000)
    password_min_length: int = Field(15, ge=8, le=64)
    tls_cert: PathOfFile | None = None
    tls_key: PathOfFile | None = None
    trusted_proxies: Networks = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def refresh_cookie(self) -> str:
        """The name of the refresh token's cookie: of this issuer alone, unless it is set."""
        return _cookie_name(self.cookie_name, self.issuer)

    @property
    def audiences(self) -> tuple[str, ...]:
        """The names of the resources that access tokens are for."""
        return tuple(dict.fromkeys(_split(self.audience)))

    @property
    def database(self) -> tuple[str, str | None]:
        """The URL, and the schema of PostgreSQL or None."""
        return self.database_url.get_secret_value(), self.database_schema

    @field_validator("database_schema")
    @classmethod
    def _schema_can_be_made(cls, value: str | None) -> str | None:
        if value is not None and (value.lower().startswith("pg_") or value.lower() == "information_schema"):
            raise ValueError("must not be a schema of PostgreSQL's own")
        return value

    @field_validator("audience")
    @classmethod
    def _audience_is_named(cls, value: str) -> str:
        if not _split(value):
            raise ValueError("must name the resources that access tokens are for")
        if not value.isascii() or re.search(r"[^\s!-~]|[\"\\]", value):
            raise ValueError(
                "must be names in printable ASCII without quotes or backslashes, as resource services take"
            )
        return value

    @field_validator("issuer")
    @classmethod
    def _issuer_is_a_url(cls, value: str) -> str:
        if not _is_base(value):
            raise ValueError("must be a URL without user, blanks, query and fragment (RFC 8414 §2)")
        if not value.isascii() or not value.isprintable() or '"' in value or "\\" in value:
            raise ValueError("must be printable ASCII without quotes or backslashes: it names the realm of challenges")
        return value

    @field_validator("dpop_htu")
    @classmethod
    def _addresses_are_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(_is_base, value)):
            raise ValueError("must be URLs such as https://example.com/auth, without user, query and fragment")
        return tuple(str(URL(address)) for address in value)  # an international name as proofs have it

    @field_validator("cors_origins")
    @classmethod
    def _origins_as_browsers_write_them(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Credentials are allowed across origins here, and `*` beside credentials would open every account.
        return tuple(dict.fromkeys(map(browser_origin, value)))

    @field_validator("service_secret", "backend_secret")
    @classmethod
    def _secret_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            secret_values(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        if self.refresh_ttl_s > self.session_ttl_s:
            raise ValueError("AUTH_REFRESH_TTL_S must not exceed AUTH_SESSION_TTL_S")
        secrets = [each.get_secret_value() for each in (self.service_secret, self.backend_secret) if each]
        if len(secrets) > 1 and not set(secret_values(secrets[0])).isdisjoint(secret_values(secrets[1])):
            raise ValueError("AUTH_BACKEND_SECRET and AUTH_SERVICE_SECRET must not share a value")
        return self

    @classmethod
    def contradictions(cls, given: AbstractSet[str]) -> Iterator[str]:
        """Yield what is wrong with the names of the settings that are *given*."""
        if ("tls_cert" in given) != ("tls_key" in given):
            yield "AUTH_TLS_CERT, AUTH_TLS_KEY: one needs the other"


def load_settings(**overrides: object) -> Settings:
    """Read and check the settings.

    Raises:
        StartProblem: one line for each problem, each naming its variable; values are never repeated.
    """
    return load(Settings, **overrides)
