"""deploy/monitoring: alerts that promtool has tried, and a dashboard, over what the services really export."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from dualtoken.auth_service.domain.rotation import Kind
from tests.deploy.manifests import CHECKOUT
from tests.system.processes import Service, deployment_in, prepare

MONITORING = CHECKOUT / "deploy" / "monitoring"
ALERTS, TRIED, DASHBOARD = (MONITORING / name for name in ("alerts.yaml", "alerts_test.yaml", "dashboard.json"))
OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
# What a sample's name adds to that of its family. Times of creation are no numbers to watch.
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
_METRIC = re.compile(r"\b(?:auth|resource)_[a-z_]+\b")
_NAMES = re.compile(r'__name__=~"\(auth\|resource\)(\w+)"')  # one rule for both services
_ALERT = re.compile(r"^\| `([A-Za-z]+)` \| (page|ticket) \|", re.MULTILINE)


def promtool(*arguments: str | Path) -> str:
    """Run it; return what it says. Skip the test where the machine has none."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, cwd=MONITORING)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels."""
    return list(json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"])


def queries() -> list[str]:
    """Return what the dashboard asks for."""
    return [target["expr"] for panel in panels() for target in panel.get("targets", ())]


def metrics_in(expressions: list[str]) -> set[str]:
    """Return the names of the services' metrics in some expressions."""
    return {name for text in expressions for each in _written_out(text) for name in _METRIC.findall(each)}


def _written_out(expression: str) -> Iterator[str]:
    for service in ("auth", "resource"):
        yield _NAMES.sub(rf"{service}\1", expression)


@pytest.fixture
async def exported(tmp_path: Path) -> set[str]:
    """What both services, at work, tell Prometheus: the names of samples."""
    deployment = deployment_in(tmp_path)
    await prepare(deployment)
    async with (
        deployment.auth_service() as auth,
        deployment.resource_service() as resource,
        aiohttp.ClientSession() as http,
    ):
        texts = [await text_of(http, service) for service in (auth, resource)]
    families = [family for text in texts for family in text_string_to_metric_families(text)]
    return {family.name + suffix for family in families for suffix in _SUFFIXES[family.type]}


async def text_of(http: aiohttp.ClientSession, service: Service) -> str:
    """Return what a service tells Prometheus."""
    async with http.get(service.url / "metrics") as answer:
        return await answer.text()


def test_promtool_accepts_the_rules() -> None:
    """Their syntax and their templates."""
    assert f"SUCCESS: {len(rules())} rules found" in promtool("check", "rules", ALERTS)


def test_each_alert_does_what_it_is_for() -> None:
    """Series are played to each: it is silent first, and fires then."""
    assert "SUCCESS" in promtool("test", "rules", TRIED)


def test_no_alert_is_untried() -> None:
    """Each has a case in which it is silent and one in which it fires."""
    tests = yaml.safe_load(TRIED.read_text(encoding="utf-8"))["tests"]
    cases = [(case["alertname"], bool(case.get("exp_alerts"))) for test in tests for case in test["alert_rule_test"]]

    assert sorted((rule["alert"], fires) for rule in rules() for fires in (False, True)) == sorted(cases)


def test_each_alert_is_on_the_page() -> None:
    """With its severity: the page says what to do about it."""
    assert [(rule["alert"], rule["labels"]["severity"]) for rule in rules()] == _ALERT.findall(OPERATIONS)


def test_promtool_accepts_each_query_of_the_dashboard(tmp_path: Path) -> None:
    """What Grafana would send, with the interval filled in."""
    recorded = [
        {"record": f"query_{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries())
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))

    assert f"SUCCESS: {len(recorded)} rules found" in promtool("check", "rules", path)


async def test_every_metric_is_exported(exported: set[str]) -> None:
    """A rule over a metric that no service has is silent for ever; a metric on no panel is seen by nobody."""
    watched, shown = metrics_in([rule["expr"] for rule in rules()]), metrics_in(queries())
    unseen = {name for name in exported if not any(name.startswith(_stem(each)) for each in shown)}

    assert set() == (watched | shown) - exported
    assert set() == unseen


def test_every_outcome_and_event_exists() -> None:
    """What rules pick of a metric by its labels is something that happens."""
    text = " ".join(rule["expr"] for rule in rules())
    outcomes = set(re.findall(r'auth_rotations_total{outcome="(\w+)"}', text))
    events = {name for group in re.findall(r'event=~?"([^"]+)"', text) for name in group.split("|")}

    assert set() == outcomes - {kind.value for kind in Kind} - {"malformed"}
    assert set() == {
        f"`{name}`"
        for name in events
        if not re.search(rf"^\| `{re.escape(name)}` \|[^|]*warning", OPERATIONS, re.MULTILINE)
    }


def test_panels_stand_side_by_side() -> None:
    """Each has its number, and none covers another."""
    cells = Counter(
        (x, y)
        for panel in panels()
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    )

    assert list(range(1, len(panels()) + 1)) == [panel["id"] for panel in panels()]
    assert {1} == set(cells.values())
    assert max(x for x, _ in cells) < 24


def _stem(name: str) -> str:
    return name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum").removesuffix("_total")
