"""Where both services' settings come from."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from dualtoken_serving.errors import StartProblem
from tests.dualtoken_serving.read_settings import SECRET, SERVICES, settings_of


def test_a_setting_may_come_from_a_file(prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """X_FILE names a file that holds X, for any X; the end of its line does not count."""
    for name, value in (
        ("SERVICE_SECRET", SECRET),
        ("PORT", "4711"),
        ("CORS_ORIGINS", "https://a.example https://b.example"),
    ):
        (tmp_path / name).write_text(f"{value}\r\n")
        monkeypatch.setenv(f"{prefix}{name}_FILE", str(tmp_path / name))
    settings = settings_of(prefix)

    assert (SecretStr(SECRET), 4711) == (settings.service_secret, settings.port)
    assert ("https://a.example", "https://b.example") == settings.cors_origins


def test_a_secret_may_come_from_a_directory(prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As Docker and Kubernetes mount secrets: one file each, by the name of the variable, in lower case."""
    (tmp_path / f"{prefix}SERVICE_SECRET".lower()).write_text(f"{SECRET}\n")
    monkeypatch.setenv(f"{prefix}SECRETS_DIR", str(tmp_path))

    assert SecretStr(SECRET) == settings_of(prefix).service_secret


@pytest.mark.parametrize("named", [True, False], ids=["a file", "the folder"])
def test_what_an_editor_writes_around_a_secret_is_none_of_it(
    prefix: str, named: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A byte order mark, Windows' line ends, a blank: the other side has none of them."""
    path = tmp_path / f"{prefix}SERVICE_SECRET"
    path.write_bytes(f"\ufeff{SECRET} \r\n".encode())
    monkeypatch.setenv(
        *((f"{prefix}SERVICE_SECRET_FILE", str(path)) if named else (f"{prefix}SECRETS_DIR", str(tmp_path)))
    )

    assert SecretStr(SECRET) == settings_of(prefix).service_secret


FILES: dict[str, tuple[bytes | str, str]] = {
    "missing": ("/nowhere/secret", "/nowhere/secret: No such file"),
    "a folder": ("/", "/: Is a directory"),
    "empty": (b"\n", "empty, or longer"),
    "without an end": ("/dev/zero", "empty, or longer"),
    "no text": (b"\xff\xfe", "not UTF-8 text"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_of_the_folder_that_holds_no_value_is_named(
    prefix: str, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As one that a variable names: Docker makes a folder of a file that is not there to be mounted."""
    what, problem = FILES[kind]
    path = tmp_path / f"{prefix}SERVICE_SECRET".lower()
    if isinstance(what, str):
        path.symlink_to(what)
    else:
        path.write_bytes(what)
    monkeypatch.setenv(f"{prefix}SECRETS_DIR", str(tmp_path))

    with pytest.raises(StartProblem, match=f"{prefix}SECRETS_DIR: {path}: {problem.rpartition(': ')[2]}"):
        settings_of(prefix)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_holds_no_value_is_named(
    prefix: str, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A secret that is not where it should be is a problem, not a default."""
    what, problem = FILES[kind]
    path = Path(what) if isinstance(what, str) else tmp_path / "secret"
    if isinstance(what, bytes):
        path.write_bytes(what)
    monkeypatch.setenv(f"{prefix}SERVICE_SECRET_FILE", str(path))

    with pytest.raises(StartProblem, match=f"{prefix}SERVICE_SECRET_FILE: .*{problem}"):
        settings_of(prefix)


def test_a_secret_where_its_path_belongs_is_not_repeated(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error goes where logs go."""
    monkeypatch.setenv(f"{prefix}SERVICE_SECRET_FILE", SECRET)

    with pytest.raises(StartProblem, match="a relative path, or no path at all: No such file") as caught:
        settings_of(prefix)
    assert SECRET not in str(caught.value)


KEY = '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'


@pytest.mark.parametrize("content", [KEY, f" {KEY}", f"[{KEY}]", "eyJrZXlzIjpbXX0=", r"-----BEGIN KEY-----\nc2VjcmV0"])
def test_content_where_a_path_belongs_is_not_repeated(
    prefix: str, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is keys, in JSON, base64 or PEM."""
    name = f"{prefix}ACCESS_KEYS" if prefix == "AUTH_" else f"{prefix}KEYS"
    monkeypatch.setenv(name, content)

    with pytest.raises(StartProblem, match=f"^{name}: must be a path, not the content of a file$"):
        settings_of(prefix)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", " ", "\t"])
def test_what_stands_around_a_value_is_none_of_it(
    prefix: str, end: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A line end of a secret, or half an end of a line from Windows: in any kind of setting."""
    (tmp_path / "secret").write_text(SECRET)
    for name, value in (("LOG_LEVEL", "debug"), ("TLS_CERT", "c.pem"), ("TLS_KEY", "k.pem"), ("PORT", "4711")):
        monkeypatch.setenv(prefix + name, end + value + end)
    monkeypatch.setenv(f"{prefix}SERVICE_SECRET_FILE", f"{tmp_path / 'secret'}{end}")
    settings = settings_of(prefix)

    assert ("debug", Path("c.pem"), 4711) == (settings.log_level, settings.tls_cert, settings.port)
    assert SecretStr(SECRET) == settings.service_secret


@pytest.mark.parametrize(
    ("written", "host"), [("[::1]", "::1"), ("[::]", "::"), ("::1", "::1"), ("localhost", "localhost")]
)
def test_an_address_may_stand_in_brackets(
    prefix: str, written: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As URLs write one of IPv6."""
    monkeypatch.setenv(f"{prefix}HOST", written)

    assert host == settings_of(prefix).host


@pytest.mark.parametrize("blank", ["\r", " ", "\n"])
def test_a_blank_variable_is_an_unset_one(prefix: str, blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an empty one is: ``X=`` in a file from Windows."""
    for name in SERVICES[prefix.rstrip("_")].model_fields:
        if name != "keys":
            monkeypatch.setenv(prefix + name.upper(), blank)
            monkeypatch.setenv(f"{prefix}{name.upper()}_FILE", blank)
    monkeypatch.setenv(f"{prefix}SECRETS_DIR", blank)
    settings = settings_of(prefix)

    assert (None, "127.0.0.1", "info") == (settings.tls_cert, settings.host, settings.log_level)


@pytest.mark.parametrize("mark", ["'", '"'])
@pytest.mark.parametrize(("name", "value"), [("AUDIENCE", "x"), ("PORT", "4711"), ("SERVICE_SECRET", SECRET)])
def test_quotation_marks_are_told(
    prefix: str, name: str, value: str, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``docker --env-file`` leaves them, Compose does not: the two services would have two secrets."""
    monkeypatch.setenv(prefix + name, mark + value + mark)

    with pytest.raises(StartProblem, match=f"^{prefix}{name}: the quotation marks around it [^\n]*$") as caught:
        settings_of(prefix)
    assert value not in str(caught.value)


def test_a_value_and_a_file_are_one_too_many(prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of two values an operator believes in one, and may be wrong."""
    (tmp_path / "port").write_text("1")
    monkeypatch.setenv(f"{prefix}PORT", "2")
    monkeypatch.setenv(f"{prefix}PORT_FILE", str(tmp_path / "port"))

    with pytest.raises(StartProblem, match=f"{prefix}PORT, {prefix}PORT_FILE: only one of them can count"):
        settings_of(prefix)


def test_a_directory_that_is_none_is_named(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets that are not mounted are a problem."""
    monkeypatch.setenv(f"{prefix}SECRETS_DIR", "/nowhere")

    with pytest.raises(StartProblem, match=f"{prefix}SECRETS_DIR: /nowhere is not a directory"):
        settings_of(prefix)
