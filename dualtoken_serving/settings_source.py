"""The sources of settings: variables with one prefix, files that they name, and a folder of secrets.

``AUTH_X`` holds the value of the setting ``x``; ``AUTH_X_FILE`` the path of a file that holds it; in the folder that
``AUTH_SECRETS_DIR`` names, the file ``auth_x`` does. The first of them counts.
"""

import difflib
import os
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import AfterValidator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from .errors import StartProblem

_FILE, _SECRETS_DIR = "_FILE", "SECRETS_DIR"
_FILE_LIMIT = 65_536
# Kubernetes sets these for each service of the namespace: a service named "auth" takes our own prefix.
_LINK_NAME = re.compile(
    r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)", re.ASCII
)
_LINK = re.compile(r"(?:tcp|udp|sctp)://\S+")
_PART_OF_LINK = re.compile(r"(?:tcp|udp|sctp)(?:://\S+)?|[0-9]+|[0-9a-fA-F.:]+")
# A JSON document, as it is or in base64, and PEM.
_CONTENT = re.compile(r"\s*[{\[]|-----BEGIN|eyJ")

log = structlog.get_logger(__name__)
_Settings = TypeVar("_Settings", bound="ServiceSettings")


def _no_content(path: Path) -> Path:
    # X_FILE names a file that holds the path. A path that cannot be opened is printed: keys must not be.
    if len(str(path).splitlines()) > 1 or _CONTENT.match(str(path)):
        raise ValueError("must be a path, not the content of a file")
    return path


PathOfFile = Annotated[Path, AfterValidator(_no_content)]


def _without_brackets(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


Host = Annotated[str, AfterValidator(_without_brackets)]
"""A name or an address, of IPv6 also as URLs write it."""


class _Variables(EnvSettingsSource):
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        value = (value or "").strip()
        is_none = not value or _is_quoted(value) or _is_link(field_name.upper(), value)
        return None if is_none else value, key, is_complex


class ServiceSettings(BaseSettings):
    """What the settings of both services have in common."""

    @classmethod
    def contradictions(cls, given: AbstractSet[str]) -> Iterator[str]:
        """Yield the problems of the names of the *given* settings, independently of their values."""
        del given
        yield from ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base's signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what files hold, as :func:`load` gives it, then the environment but for Kubernetes' links."""
        return init_settings, _Variables(settings_cls)


def load(settings_cls: type[_Settings], **overrides: object) -> _Settings:
    """Read and check the settings of a service.

    Raises:
        StartProblem: one line for each problem, each naming its variable; values are never repeated.
    """
    prefix = _prefix(settings_cls)
    values: dict[str, object] = {}
    files, problems = _files(settings_cls)
    for name, (variable, path) in files.items():
        try:
            values[name] = value_in(path)
        except ValueError as exc:
            problems.append(f"{variable}: {_named(path)}: {exc}")
    variables = {name for name in settings_cls.model_fields if _variable(prefix + name.upper())}
    problems += [
        f"{variable}: the quotation marks around it would be part of the value: remove them"
        for variable in sorted(prefix + name.upper() for name in variables)
        if _is_quoted(_variable(variable))
    ]
    problems += settings_cls.contradictions(overrides.keys() | files.keys() | variables)
    try:
        settings = settings_cls(**values | overrides)  # type: ignore[arg-type] # pydantic checks them
    except ValidationError as exc:
        problems += _problems(exc, prefix)
    if problems:
        raise StartProblem(*problems)
    return settings


def file_of(settings_cls: type[ServiceSettings], name: str) -> Path | None:
    """Return the file that the value of a setting comes from; None where the environment holds it, or nothing does."""
    found = _files(settings_cls)[0].get(name)
    return found[1] if found else None


def _variable(name: str) -> str:
    """Return the value of a variable, without what a line of a file or of a manifest leaves around it."""
    return os.environ.get(name, "").strip()


def _named(path: Path) -> str:
    """Name a file that cannot be read, unless its path may be the secret itself, written where the path belongs."""
    is_path = path.is_absolute() or os.path.exists(path)  # noqa: PTH110 - Path's own raises for a long name
    return str(path) if is_path else "a relative path, or no path at all"


def _is_quoted(value: str) -> bool:
    """Whether a value stands in quotation marks: shells and Compose take them off, ``docker --env-file`` does not."""
    return len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"


def _files(settings_cls: type[ServiceSettings]) -> tuple[dict[str, tuple[str, Path]], list[str]]:
    """Return the files of settings, each with the variable that names it or its folder, and what is wrong with those.

    A value in the environment goes before the folder of secrets.
    """
    prefix = _prefix(settings_cls)
    files: dict[str, tuple[str, Path]] = {}
    problems = []
    folder = prefix + _SECRETS_DIR
    directory = _variable(folder)
    if directory and not Path(directory).is_dir():
        problems.append(f"{folder}: {directory} is not a directory")
        directory = ""
    secrets = {path.name.upper(): path for path in sorted(Path(directory).iterdir())} if directory else {}
    for name in settings_cls.model_fields:
        variable = prefix + name.upper()
        value, named = _variable(variable), _variable(variable + _FILE)
        is_set = bool(value) and not _is_link(name.upper(), value)
        if is_set and named:
            problems.append(f"{variable}, {variable}{_FILE}: only one of them can count")
        elif named:
            files[name] = variable + _FILE, Path(named)
        elif not is_set and variable in secrets:
            files[name] = folder, secrets[variable]
    return files, problems


def tell_of_strangers(settings_cls: type[ServiceSettings]) -> None:
    """Log the variables of our prefix that no setting has, by name alone; all of Kubernetes' in one line."""
    prefix = _prefix(settings_cls)
    known = _known(settings_cls)
    links, unknown = [], []
    for name, value in sorted(os.environ.items()):
        rest = name.upper().removeprefix(prefix)
        if not value or rest == name.upper():
            continue
        if _is_link(rest, value):
            links.append(name)
        elif rest not in known:
            unknown.append(name)
    if links:
        log.warning("settings.links_ignored", variables=links, cure="set enableServiceLinks: false in the pod's spec")
    for name in unknown:
        similar = difflib.get_close_matches(name.upper().removeprefix(prefix), known, n=1)
        cure = f"did you mean {prefix}{similar[0]}?" if similar else "remove it"
        log.warning("settings.unknown", variable=name, cure=cure)


def _is_link(rest: str, value: str) -> bool:
    if rest.endswith("PORT") and _LINK.fullmatch(value):
        return True
    return bool(_LINK_NAME.fullmatch(rest) and _PART_OF_LINK.fullmatch(value))


def _known(settings_cls: type[ServiceSettings]) -> set[str]:
    names = {name.upper() for name in settings_cls.model_fields}
    return names | {name + _FILE for name in names} | {_SECRETS_DIR}


def _prefix(settings_cls: type[BaseSettings]) -> str:
    return str(settings_cls.model_config["env_prefix"])


def value_in(path: Path) -> str:
    """Return the value that a file holds, without what stands around it, a byte order mark included.

    Raises:
        ValueError: it holds none. The message does not say what it holds.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            value = file.read(_FILE_LIMIT + 1)  # a device has no end
    except OSError as exc:
        raise ValueError(exc.strerror) from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    if not value.strip() or len(value) > _FILE_LIMIT:
        raise ValueError(f"empty, or longer than {_FILE_LIMIT} characters")
    return value.strip()


def _problems(exc: ValidationError, prefix: str) -> Iterator[str]:
    for error in exc.errors(include_input=False, include_url=False, include_context=False):
        name = "_".join(str(part) for part in error["loc"][:1]).upper()
        message = error["msg"].removeprefix("Value error, ")
        yield f"{prefix}{name}: {message}" if name else message
