"""The settings, from the environment: each is ``RESOURCE_`` and its name in capitals."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from dualtoken_serving.origins import browser_origin
from dualtoken_serving.settings_source import Host, PathOfFile, ServiceSettings, load

from .keys.url_policy import checked_endpoint
from .revocation.service_secret import first_value

PREFIX = "RESOURCE_"
LONGEST_ACCESS_TTL_S = 86_400
"""That the auth service can be set to."""
MOST_CACHE_MIB = 65_536


class Settings(ServiceSettings):
    """How one resource service runs. Values are checked here, once; what files hold is checked where it is read."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    host: Host = "127.0.0.1"
    port: int = Field(default=8002, ge=0, le=65535, description="0: a free one, named when ready")
    issuer: str = Field(default="http://localhost:8001", description="the iss that access tokens must carry")
    audience: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("http://localhost:8002",),
        min_length=1,
        description="the name, or names, of which their aud must contain one",
    )
    keys: PathOfFile | None = Field(default=None, description="a JWK Set file; or else")
    jwks_url: str | None = Field(default=None, description="the URL of the issuer's public keys")
    leeway_s: float = Field(default=5, ge=0, le=300, description="how far the issuer's clock may differ")
    cache_mib: float = Field(
        default=16, gt=0, le=MOST_CACHE_MIB, description="MiB for verified tokens, in each process"
    )
    revocations_url: str | None = Field(default=None, description="the whole URL of the revocation feed")
    service_secret: SecretStr | None = Field(default=None, description="what the feed asks for")
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
    tls_cert: PathOfFile | None = Field(default=None, description="certificate chain, PEM")
    tls_key: PathOfFile | None = Field(default=None, description="its key, PEM")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("issuer", "audience")
    @classmethod
    def _quotable(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        text = value if isinstance(value, str) else "".join(value)
        if not text.isascii() or not text.isprintable() or '"' in text or "\\" in text:
            raise ValueError("printable ASCII without quotes or backslashes is needed")
        return value

    @field_validator("service_secret")
    @classmethod
    def _has_a_value(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            first_value(value.get_secret_value())
        return value

    @field_validator("jwks_url", "revocations_url")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        if value is not None:
            checked_endpoint(value)
        return value

    @field_validator("audience", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _origins_as_browsers_write_them(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(browser_origin, value)))

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @classmethod
    def contradictions(cls, given: AbstractSet[str]) -> Iterator[str]:
        """Yield what is wrong with the names of the settings that are *given*."""
        if ("keys" in given) == ("jwks_url" in given):
            yield "RESOURCE_KEYS, RESOURCE_JWKS_URL: exactly one of them is needed"
        if "revocations_url" in given and "service_secret" not in given:
            yield "RESOURCE_SERVICE_SECRET: RESOURCE_REVOCATIONS_URL needs it"
        if ("tls_cert" in given) != ("tls_key" in given):
            yield "RESOURCE_TLS_CERT, RESOURCE_TLS_KEY: one needs the other"


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        StartProblem: one line for each setting that is wrong, without the values, which may be secret.
    """
    return load(Settings)
