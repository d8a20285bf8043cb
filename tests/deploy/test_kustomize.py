"""kustomize, where the machine has it, makes of deploy/kubernetes what is meant."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.manifests import BASE, EXAMPLE, literals, objects
from tests.deploy.test_kubernetes import NEWEST

OLDEST = (1, 21)


def rendered(folder: Path) -> list[dict[str, Any]]:
    """Return what would be applied; skip the test where nobody can say."""
    if not _takes_folders():
        pytest.skip("kubectl 1.21 or newer is not installed (Debian package kubernetes-client; Debian 12's is 1.20)")
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return list(yaml.safe_load_all(done.stdout))


def _takes_folders() -> bool:
    """Whether there is a kubectl whose kustomize takes a folder for a resource."""
    if shutil.which("kubectl") is None:
        return False
    told = subprocess.run(["kubectl", "version", "--client", "--output=json"], capture_output=True, check=True).stdout
    version = json.loads(told)["clientVersion"]
    return (int(version["major"]), int(re.match(r"\d+", version["minor"])[0])) >= OLDEST  # type: ignore[index]


def names(found: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Return kind and name of each object but the ConfigMaps, whose names end in a digest."""
    return {(each["kind"], each["metadata"]["name"]) for each in found if each["kind"] != "ConfigMap"}


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=["base", "example"])
def test_everything_is_applied(folder: Path) -> None:
    """Each object of the base, and a ConfigMap for each service with the folder's values."""
    found = rendered(folder)
    values = {
        each["metadata"]["name"].rpartition("-")[0]: each["data"] for each in found if each["kind"] == "ConfigMap"
    }

    assert names(objects()) == names(found)
    assert {name: literals(BASE)[name] | own for name, own in literals(folder).items()} == values
    for each in found:
        kubernetes_validate.validate(each, NEWEST, strict=True)


def test_the_example_is_the_operators_own() -> None:
    """Its namespace and its registry are everywhere."""
    found = rendered(EXAMPLE)
    images = [
        container["image"]
        for each in found
        if each["kind"] in {"Deployment", "Job"}
        for container in each["spec"]["template"]["spec"]["containers"]
    ]

    assert {"dualtoken"} == {each["metadata"]["namespace"] for each in found}
    assert all(image.startswith("registry.example.com/dualtoken-") for image in images)
