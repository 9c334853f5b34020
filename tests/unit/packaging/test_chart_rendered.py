"""The Helm chart, rendered by Helm's own engine."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.config.model import Config

pytest.importorskip("helm_python", reason="needs helm-python-sdk, which exists for Linux on x86-64")

# In a process of its own: the engine brings a runtime with threads and signal handlers.
_ENGINE = """
import json, sys
import helm_python as helm
chart, values = sys.argv[1], json.load(sys.stdin)
try:
    with helm.Chart.load(chart) as loaded:
        answer = {"manifests": loaded.render(values, name="demo", namespace="prod")}
    answer["lint"] = helm.lint(chart, values, strict=True)
except helm.HelmError as error:
    answer = {"error": str(error)}
json.dump(answer, sys.stdout)
"""


def run(chart: Path, values: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(values, default=str)
    command = [sys.executable, "-W", "ignore", "-c", _ENGINE, str(chart)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


def by_kind(answer: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    assert "error" not in answer, answer["error"]
    texts = [text for name, text in answer["manifests"].items() if name.endswith(".yaml")]
    documents = [document for text in texts for document in yaml.safe_load_all(text) if document]
    return {(document["kind"], document["metadata"]["name"]): document for document in documents}


@pytest.fixture(scope="module")
def full_values(chart: Path) -> dict[str, Any]:
    return yaml.safe_load((chart / "examples" / "values-full.yaml").read_text())


@pytest.fixture(scope="module")
def plain(chart: Path) -> dict[str, Any]:
    return run(chart, {})


@pytest.fixture(scope="module")
def full(chart: Path, full_values: dict[str, Any]) -> dict[str, Any]:
    return run(chart, full_values)


def test_lint_has_nothing_to_complain_about(plain: dict[str, Any], full: dict[str, Any]) -> None:
    for answer in (plain, full):
        assert answer["lint"]["errors"] == []
        assert [message for message in answer["lint"]["messages"] if message["severity"] > 1] == []


def test_default_chart_is_small(plain: dict[str, Any]) -> None:
    assert sorted(kind for kind, _ in by_kind(plain)) == [
        "ConfigMap",
        "Deployment",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ]


def test_full_chart_has_every_part(full: dict[str, Any]) -> None:
    assert {kind for kind, _ in by_kind(full)} >= {"NetworkPolicy", "ServiceMonitor"}


@pytest.mark.parametrize("which", ["plain", "full"])
def test_routes_of_the_config_map_are_a_valid_configuration(request: pytest.FixtureRequest, which: str) -> None:
    manifests = by_kind(request.getfixturevalue(which))
    routes = yaml.safe_load(manifests["ConfigMap", "demo-tls-broker-routes"]["data"]["routes.yaml"])
    Config.model_validate(routes, context={"base": Path("/etc/broker")})


@pytest.mark.parametrize("which", ["plain", "full"])
def test_ports_probes_and_selectors_meet(request: pytest.FixtureRequest, which: str) -> None:
    manifests = by_kind(request.getfixturevalue(which))
    deployment = manifests["Deployment", "demo-tls-broker"]
    pod = deployment["spec"]["template"]
    [container] = pod["spec"]["containers"]
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    labels = pod["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    for (kind, _), manifest in manifests.items():
        if kind == "Service":
            assert manifest["spec"]["selector"].items() <= labels
            assert {port["targetPort"] for port in manifest["spec"]["ports"]} <= set(named)


@pytest.mark.parametrize("which", ["plain", "full"])
def test_pod_meets_the_restricted_standard(request: pytest.FixtureRequest, which: str) -> None:
    pod = by_kind(request.getfixturevalue(which))["Deployment", "demo-tls-broker"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(("values", "size"), [({}, "4Gi"), ({"temporary": {"sizeLimit": "500Mi"}}, "500Mi")])
def test_bodies_that_are_held_back_have_a_bounded_place_on_disk(chart: Path, values: dict[str, Any], size: str) -> None:
    pod = by_kind(run(chart, values))["Deployment", "demo-tls-broker"]["spec"]["template"]["spec"]
    assert {"name": "temporary", "emptyDir": {"sizeLimit": size}} in pod["volumes"]
    assert {"name": "temporary", "mountPath": "/tmp"} in pod["containers"][0]["volumeMounts"]


def test_another_configuration_rolls_the_pods(chart: Path, full: dict[str, Any], full_values: dict[str, Any]) -> None:
    changed = {**full_values, "routes": {**full_values["routes"], "drain_timeout": "20s"}}

    def checksum(answer: dict[str, Any]) -> str:
        pod = by_kind(answer)["Deployment", "demo-tls-broker"]["spec"]["template"]
        return pod["metadata"]["annotations"]["checksum/config"]

    assert checksum(full) != checksum(run(chart, changed))


def test_nothing_of_the_example_stays_in_routes_of_ones_own(full: dict[str, Any]) -> None:
    routes = by_kind(full)["ConfigMap", "demo-tls-broker-routes"]["data"]["routes.yaml"]
    assert "example.internal" not in routes


def test_config_map_of_ones_own_takes_the_place_of_the_charts(chart: Path) -> None:
    manifests = by_kind(run(chart, {"existingConfigMap": "mine"}))
    assert "ConfigMap" not in {kind for kind, _ in manifests}
    volumes = manifests["Deployment", "demo-tls-broker"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "routes", "configMap": {"name": "mine"}} in volumes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"terminationGracePeriodSeconds": 40}, "terminationGracePeriodSeconds must be more than 41"),
        ({"ports": {"admin": 9191}}, "routes.admin.bind is 0.0.0.0:9090"),
        (
            {"service": {"ports": [{"name": "https", "port": 443, "containerPort": 9443}]}},
            "no listener of routes binds the containerPort 9443",
        ),
        ({"replicaCount": 3}, "replicaCount"),
    ],
)
def test_values_that_cannot_work_end_the_rendering_with_the_reason(
    chart: Path, change: dict[str, Any], said: str
) -> None:
    assert said in run(chart, change)["error"]


def test_routes_and_a_config_map_of_ones_own_are_one_too_many(chart: Path, full_values: dict[str, Any]) -> None:
    assert "give one of the two" in run(chart, {**full_values, "existingConfigMap": "mine"})["error"]
