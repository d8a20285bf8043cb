"""What deploy/kubernetes says, read as kustomize reads it as far as the base uses it: a list of files, and literals."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
KUBERNETES = CHECKOUT / "deploy" / "kubernetes"
BASE, EXAMPLE = KUBERNETES / "base", KUBERNETES / "example"
_ENV = re.compile(r"^ +(?:ENV )?([A-Z_]+)=(\S*)", re.MULTILINE)
Object = dict[str, Any]


def kustomization(folder: Path) -> Object:
    """Return what a folder's kustomization says."""
    return dict(yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8")))


def literals(folder: Path) -> dict[str, dict[str, str]]:
    """Return what each generated ConfigMap holds."""
    return {
        generator["name"]: dict(literal.split("=", 1) for literal in generator["literals"])
        for generator in kustomization(folder)["configMapGenerator"]
    }


def objects() -> list[Object]:
    """Return what the base's files describe."""
    files = (BASE / name for name in kustomization(BASE)["resources"])
    return [found for file in files for found in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def of_kind(*kinds: str) -> list[Object]:
    """Return the objects of some kinds."""
    return [found for found in objects() if found["kind"] in kinds]


def pods() -> dict[str, Object]:
    """Return the pods' templates by the name of what makes them."""
    return {found["metadata"]["name"]: found["spec"]["template"] for found in of_kind("Deployment", "Job")}


def container(pod: Object) -> Object:
    """Return the one container of a pod."""
    [only] = pod["spec"]["containers"]
    return dict(only)


def image_variables(pod: Object) -> dict[str, str]:
    """Return the variables that the image of a pod brings."""
    service = container(pod)["image"].partition(":")[0].removeprefix("dualtoken-")
    text = (CHECKOUT / f"{service}_service" / "Dockerfile").read_text(encoding="utf-8")
    return {name: value for name, value in _ENV.findall(text) if name.startswith(("AUTH_", "RESOURCE_"))}


def variables(pod: Object) -> dict[str, str]:
    """Return what the services read in a pod: of its image, its ConfigMap and its own, the last of a name counts."""
    found = image_variables(pod)
    for source in container(pod)["envFrom"]:
        found |= literals(BASE)[source["configMapRef"]["name"]]
    return found | {each["name"]: each["value"] for each in container(pod)["env"]}


def secrets(pod: Object) -> dict[str, str]:
    """Return where a pod mounts which Secret."""
    names = {each["name"]: each["secret"]["secretName"] for each in pod["spec"]["volumes"] if "secret" in each}
    mounts = container(pod)["volumeMounts"]
    return {each["mountPath"]: names[each["name"]] for each in mounts if each["name"] in names}


def selectors() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each selector of pods of this namespace, with the object that has it."""
    for found in objects():
        name, spec = f"{found['kind']}/{found['metadata']['name']}", found["spec"]
        for selector in _selectors(spec, in_selector=found["kind"] == "Service"):
            yield name, selector


def _selectors(part: Any, *, in_selector: bool) -> Iterator[dict[str, str]]:
    if isinstance(part, list):
        for each in part:
            yield from _selectors(each, in_selector=in_selector)
    elif isinstance(part, dict):
        for name, value in part.items():
            if name in {"podSelector", "labelSelector", "selector"}:
                yield value if in_selector else value["matchLabels"]
            else:
                yield from _selectors(value, in_selector=in_selector)


def version() -> str:
    """Return the release that the checkout is."""
    return str(tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
