"""deploy/kubernetes: a schema accepts it, and it speaks of what the services are."""

import stat
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from dualtoken.auth_service.app import create_app as create_auth_app
from dualtoken.auth_service.cli.service import serving_of as auth_serving_of
from dualtoken.auth_service.keys import jwk_file
from dualtoken.auth_service.settings import Settings as AuthSettings
from dualtoken.auth_service.settings import load_settings as load_auth_settings
from dualtoken.resource_service.app import create_app as create_resource_app
from dualtoken.resource_service.cli import serving_of as resource_serving_of
from dualtoken.resource_service.settings import Settings as ResourceSettings
from dualtoken.resource_service.settings import load_settings as load_resource_settings
from dualtoken_serving import settings_source
from tests.deploy.manifests import (
    BASE,
    EXAMPLE,
    container,
    kustomization,
    literals,
    objects,
    of_kind,
    pods,
    secrets,
    selectors,
    variables,
    version,
)  # fmt: skip

SERVICES = ("auth-service", "resource-service")
OLDEST, NEWEST = "1.29", "1.37"  # releases of Kubernetes
READABLE = stat.S_IRUSR | stat.S_IRGRP
URL = "postgresql://dualtoken:secret@db/dualtoken"


def fitting(folder: Path, monkeypatch: pytest.MonkeyPatch, pod: str) -> Any:
    """Return the settings of a pod whose Secrets are in *folder*, as root would have mounted them."""
    for mount, secret in secrets(pods()[pod]).items():
        place = folder / mount.strip("/")
        match secret:
            case "access-key" | "refresh-key":
                jwk_file.create(place / f"{secret.removesuffix('-key')}.jwks.json")
            case "service-secret":
                jwk_file.create_secret(place / "secret")
            case _:
                place.mkdir(parents=True)
                (place / "url").write_text(URL)
        for file in place.iterdir():
            file.chmod(READABLE)
    for name, value in variables(pods()[pod]).items():
        monkeypatch.setenv(name, value.replace("/keys/", f"{folder}/keys/"))
    return load_resource_settings() if pod == "resource-service" else load_auth_settings()


def setting_names() -> set[str]:
    """Return the variables that the services read."""
    known = {"AUTH_": AuthSettings, "RESOURCE_": ResourceSettings}
    names = {prefix + name.upper() for prefix, model in known.items() for name in model.model_fields}
    return names | {f"{name}_FILE" for name in names}


def test_the_base_lists_each_of_its_files() -> None:
    """A file that the list lacks is applied by nobody."""
    files = {path.name for path in BASE.iterdir()} - {"kustomization.yaml"}

    assert sorted(files) == kustomization(BASE)["resources"]


@pytest.mark.parametrize("release", [OLDEST, NEWEST])
@pytest.mark.parametrize(
    "found", [pytest.param(each, id=f"{each['kind']}-{each['metadata']['name']}") for each in objects()]
)
def test_the_schema_accepts_each_object(found: dict[str, Any], release: str) -> None:
    """No member is unknown, misplaced or of another type, in an old release and a new one."""
    kubernetes_validate.validate(found, release, strict=True)


def test_the_schema_refuses_what_is_misspelt() -> None:
    """The check above can fail."""
    [deployment, *_] = of_kind("Deployment")
    deployment["spec"]["template"]["spec"]["enableServiceLink"] = False

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=["base", "example"])
def test_each_variable_is_a_setting(folder: Path) -> None:
    """A name that no setting has would be ignored."""
    given = {name for pod in pods().values() for name in variables(pod)}
    given |= {name for values in literals(folder).values() for name in values}

    assert set() == given - setting_names()


def test_the_example_changes_what_is_there() -> None:
    """Its ConfigMaps and images are the base's."""
    images = {container(pod)["image"].partition(":")[0] for pod in pods().values()}

    assert literals(BASE).keys() == literals(EXAMPLE).keys()
    assert images == {image["name"] for image in kustomization(EXAMPLE)["images"]}


def test_images_are_of_this_release() -> None:
    """The manifests of a release start its own images."""
    assert {version()} == {container(pod)["image"].partition(":")[2] for pod in pods().values()}


def test_each_selector_finds_a_pod() -> None:
    """A Service, a budget or a policy whose labels nobody has does nothing, and says nothing."""
    labels = [pod["metadata"]["labels"].items() for pod in pods().values()]
    lost = [name for name, selector in selectors() if not any(selector.items() <= each for each in labels)]

    assert [] == lost
    assert {found["kind"] for found in of_kind("Service", "NetworkPolicy", "PodDisruptionBudget", "Deployment")} == {
        name.partition("/")[0] for name, _ in selectors()
    }


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_those_of_the_service(service: str) -> None:
    """Container, Service and probes mean the port that the image listens on."""
    pod = container(pods()[service])
    [port] = pod["ports"]
    [published] = [found["spec"]["ports"] for found in of_kind("Service") if found["metadata"]["name"] == service]
    [listening] = [value for name, value in variables(pods()[service]).items() if name.endswith("_PORT")]
    probes = [pod[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")]

    assert int(listening) == port["containerPort"] == published[0]["port"]
    assert [port["name"]] * 4 == [*probes, published[0]["targetPort"]]


def test_policies_name_ports_that_pods_have() -> None:
    """What a policy lets in is a port of a container."""
    ports = [
        port
        for found in of_kind("NetworkPolicy")
        for rule in found["spec"].get("ingress", ())
        for port in rule["ports"]
    ]
    named = {port["name"] for pod in pods().values() for port in container(pod).get("ports", ())}

    assert named == {port["port"] for port in ports}


def test_no_pod_is_without_a_policy() -> None:
    """One policy selects them all, in both directions: what no other allows is refused."""
    [everybody] = [found["spec"] for found in of_kind("NetworkPolicy") if found["metadata"]["name"] == "dualtoken"]
    labels = [pod["metadata"]["labels"].items() for pod in pods().values()]

    assert ["Ingress", "Egress"] == everybody["policyTypes"]
    assert all(everybody["podSelector"]["matchLabels"].items() <= each for each in labels)


@pytest.mark.parametrize("service", SERVICES)
def test_probes_ask_for_paths_that_exist(service: str, settings: AuthSettings) -> None:
    """Live where a restart would help, ready where traffic should stay away."""
    app = create_auth_app(settings) if service == "auth-service" else create_resource_app(ResourceSettings(keys="none"))
    pod = container(pods()[service])
    paths = [pod[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")]

    assert ["/health/live", "/health/live", "/health/ready"] == paths
    assert set(paths) <= {resource.canonical for resource in app.router.resources()}


@pytest.mark.parametrize("pod", pods())
def test_settings_fit_what_is_mounted(pod: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each pod reads its settings, in files of its group, with nothing missing and nothing left over."""
    strangers: list[Any] = []
    monkeypatch.setattr(
        settings_source, "log", type("Log", (), {"warning": lambda _, *said, **__: strangers.append(said)})()
    )
    settings = fitting(tmp_path, monkeypatch, pod)
    settings_source.tell_of_strangers(type(settings))
    key_files = [settings.keys] if pod == "resource-service" else [settings.access_keys, settings.refresh_keys]

    assert [] == strangers
    assert pod == "migrate" or all(jwk_file.read_key_file(file) for file in key_files)
    assert pod == "resource-service" or settings.database_url.get_secret_value() == URL


def test_a_pod_has_the_secrets_that_it_needs() -> None:
    """The resource service never gets the refresh key, and the owner of the tables migrates, and serves nobody."""
    expected = {
        "auth-service": {"access-key", "refresh-key", "service-secret", "database"},
        "resource-service": {"access-key", "service-secret"},
        "migrate": {"database-owner"},
    }

    assert expected == {name: set(secrets(pod).values()) for name, pod in pods().items()}


@pytest.mark.parametrize("pod", pods())
def test_secrets_are_files_of_the_pods_group(pod: str) -> None:
    """They stand in no variable; root owns them and the pod's group reads them; nobody writes."""
    spec, main = pods()[pod]["spec"], container(pods()[pod])
    mounts = {each["mountPath"]: each for each in main["volumeMounts"]}
    modes = {volume["secret"]["defaultMode"] for volume in spec["volumes"] if "secret" in volume}

    assert {READABLE} == modes
    assert spec["securityContext"]["runAsGroup"] == spec["securityContext"]["fsGroup"]
    assert all(mounts[mount]["readOnly"] and "subPath" not in mounts[mount] for mount in secrets(pods()[pod]))
    assert all("valueFrom" not in each for each in main["env"])
    assert [] == of_kind("Secret")


@pytest.mark.parametrize("pod", pods())
def test_a_pod_may_do_nothing_but_serve(pod: str) -> None:
    """No root, no capability, no writable root, no token of the cluster, no variables of other Services."""
    spec, main = pods()[pod]["spec"], container(pods()[pod])
    context = main["securityContext"]

    assert (True, 10001) == (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"])
    assert (False, False) == (spec["automountServiceAccountToken"], spec["enableServiceLinks"])
    assert (False, True, {"drop": ["ALL"]}) == tuple(
        context[name] for name in ("allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities")
    )
    assert main["resources"]["limits"]["memory"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_has_the_time_to_end(service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the cluster grants is no less than the pause before the end and what the service takes for it."""
    settings = fitting(tmp_path, monkeypatch, service)
    serving = auth_serving_of(settings) if service == "auth-service" else resource_serving_of(settings)
    _, pause = container(pods()[service])["lifecycle"]["preStop"]["exec"]["command"]

    assert int(pause) + serving.ending_s <= pods()[service]["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("service", SERVICES)
def test_one_replica_serves_while_another_goes(service: str) -> None:
    """Neither an upgrade nor a node that is emptied takes both."""
    [deployment] = [found["spec"] for found in of_kind("Deployment") if found["metadata"]["name"] == service]
    [budget] = [found["spec"] for found in of_kind("PodDisruptionBudget") if found["metadata"]["name"] == service]

    assert (2, 0) == (deployment["replicas"], deployment["strategy"]["rollingUpdate"]["maxUnavailable"])
    assert 1 == budget["maxUnavailable"]
