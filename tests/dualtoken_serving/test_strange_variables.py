"""Variables with a service's prefix that are no settings: Kubernetes' service links, and what is misspelt."""

from pathlib import Path

import aiohttp
import pytest

from dualtoken_serving.errors import StartProblem
from tests.dualtoken_serving.read_settings import SECRET, SERVICES, settings_of, told
from tests.system.processes import Deployment


def links(service: str, port: int = 8001) -> dict[str, str]:
    """Return what Kubernetes sets for a service of that name with one port, which has a name."""
    return {
        f"{service}_SERVICE_HOST": "10.0.0.1",
        f"{service}_SERVICE_PORT": f"{port}",
        f"{service}_SERVICE_PORT_HTTP": f"{port}",
        f"{service}_PORT": f"tcp://10.0.0.1:{port}",
        f"{service}_PORT_{port}_TCP": f"tcp://10.0.0.1:{port}",
        f"{service}_PORT_{port}_TCP_PROTO": "tcp",
        f"{service}_PORT_{port}_TCP_PORT": f"{port}",
        f"{service}_PORT_{port}_TCP_ADDR": "10.0.0.1",
    }


@pytest.mark.parametrize(
    "name", ["", "SERVICE", "DB", "REDIS_MASTER"], ids=["our own", "longer", "another", "two words"]
)
def test_links_of_kubernetes_are_no_settings(prefix: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a service beside ours is called, what Kubernetes says of it is ignored, and named in one line."""
    expected = links(f"{prefix}{name}".rstrip("_"))
    for variable, value in expected.items():
        monkeypatch.setenv(variable, value)
    default = SERVICES[prefix.rstrip("_")].model_fields["port"].default

    [line] = told(prefix)

    assert default == settings_of(prefix).port
    assert ("settings.links_ignored", sorted(expected)) == (line["event"], line["variables"])
    assert "10.0.0.1" not in str(line)


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_a_link_of_any_protocol_is_one(prefix: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes' services have three."""
    monkeypatch.setenv(f"{prefix}PORT", f"{protocol}://[fd00::1]:53")

    assert ["settings.links_ignored"] == [line["event"] for line in told(prefix)]
    assert settings_of(prefix).port in {8001, 8002}


@pytest.mark.parametrize("value", ["http://10.0.0.1:8001", "tcp", "8001x"])
def test_a_port_that_is_no_link_is_a_problem(prefix: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Kubernetes would not say was said by the operator, who is told."""
    monkeypatch.setenv(f"{prefix}PORT", value)

    with pytest.raises(StartProblem, match=f"{prefix}PORT: "):
        settings_of(prefix)


def test_a_link_beside_a_port_in_a_file_gives_way(prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A port that is set in a way that Kubernetes does not take counts."""
    (tmp_path / f"{prefix}PORT".lower()).write_text("4711\n")
    monkeypatch.setenv(f"{prefix}SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv(f"{prefix}PORT", "tcp://10.0.0.1:8001")

    assert 4711 == settings_of(prefix).port


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("PROT", "did you mean {}PORT?"),
        ("LOGLEVEL", "did you mean {}LOG_LEVEL?"),
        ("SERVICE_SECRETS", "did you mean {}SERVICE_SECRET?"),
        ("SERVICE_SECRET_FILES", "did you mean {}SERVICE_SECRET_FILE?"),
        ("ZZZ_XYQ", "remove it"),
    ],
)
def test_a_variable_that_no_setting_has_is_told(
    prefix: str, name: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with its name and the way out; its value may be a secret."""
    monkeypatch.setenv(f"{prefix}{name}", SECRET)

    [line] = told(prefix)

    assert ("settings.unknown", f"{prefix}{name}", cure.format(prefix)) == (
        line["event"],
        line["variable"],
        line["cure"],
    )
    assert SECRET not in str(line)


def test_settings_are_not_told(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is a setting, in any way that it may be given, nor what is empty or another program's."""
    fields = SERVICES[prefix.rstrip("_")].model_fields
    for name in [f"{prefix}{field.upper()}" for field in fields]:
        monkeypatch.setenv(name, "1")
        monkeypatch.setenv(f"{name}_FILE", "1")
    for name, value in ((f"{prefix}SECRETS_DIR", "/x"), (f"{prefix}NOTHING", ""), ("OTHER_PORT", "tcp://10.0.0.1:1")):
        monkeypatch.setenv(name, value)

    assert [] == told(prefix)


def test_a_link_beside_a_file_that_is_named_gives_way(
    prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Kubernetes said the one, the operator the other."""
    (tmp_path / "port").write_text("4711\n")
    monkeypatch.setenv(f"{prefix}PORT_FILE", str(tmp_path / "port"))
    monkeypatch.setenv(f"{prefix}PORT", "tcp://10.0.0.1:8001")

    assert 4711 == settings_of(prefix).port


@pytest.mark.parametrize("name", ["auth", "resource"])
async def test_a_service_starts_beside_services_of_its_name(deployment: Deployment, name: str) -> None:
    """In a namespace with a service called as ours, it listens where it should, and says what it ignored."""
    start = deployment.auth_service if name == "auth" else deployment.resource_service
    prefix = f"{name.upper()}_"
    strangers = links(name.upper()) | {f"{prefix}GRACES": "9"}
    folder = deployment.folder / "secrets"
    folder.mkdir()
    (folder / f"{name}_port").write_text("0")  # where a test's port stands elsewhere, the link does here
    async with (
        start(**strangers, **{f"{prefix}SECRETS_DIR": folder}) as service,
        aiohttp.ClientSession() as http,
        http.get(service.url / "health/live") as answer,
    ):
        status = answer.status

    assert 200 == status
    assert [1, 1] == [len(service.events(event)) for event in ("settings.links_ignored", "settings.unknown")]
