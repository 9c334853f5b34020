"""The Helm chart: its metadata, its values against their schema, and its templates against both."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from broker.config.model import Config


@pytest.fixture(scope="module")
def schema(chart: Path) -> dict[str, Any]:
    return json.loads((chart / "values.schema.json").read_text())


@pytest.fixture(scope="module")
def defaults(chart: Path) -> dict[str, Any]:
    return yaml.safe_load((chart / "values.yaml").read_text())


@pytest.fixture(scope="module")
def example(chart: Path) -> dict[str, Any]:
    """The routes.yaml that is used when the value `routes` is empty."""
    return yaml.safe_load((chart / "files" / "routes.yaml").read_text())


@pytest.fixture(scope="module")
def templates(chart: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (chart / "templates").iterdir()}


def faults(schema: dict[str, Any], values: dict[str, Any]) -> list[str]:
    return [f"{list(error.path)}: {error.message}" for error in Draft7Validator(schema).iter_errors(values)]


def test_metadata_is_complete_and_names_the_version_of_the_package(chart: Path, root: Path) -> None:
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert metadata["apiVersion"] == "v2"
    assert metadata["name"] == "tls-broker"
    assert metadata["type"] == "application"
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["version"])
    assert f'version = "{metadata["appVersion"]}"' in (root / "pyproject.toml").read_text()


def test_default_values_meet_the_schema(schema: dict[str, Any], defaults: dict[str, Any]) -> None:
    Draft7Validator.check_schema(schema)
    assert faults(schema, defaults) == []


def test_schema_describes_every_value_and_every_value_is_in_the_file(
    schema: dict[str, Any], defaults: dict[str, Any]
) -> None:
    assert set(schema["properties"]) - {"global"} == set(defaults)


def test_schema_knows_the_keys_of_routes_yaml(schema: dict[str, Any]) -> None:
    assert set(schema["properties"]["routes"]["properties"]) == set(Config.model_fields)


def test_schema_is_closed_wherever_the_chart_owns_the_keys(schema: dict[str, Any]) -> None:
    foreign = {"global", "secrets", "log", "valueFrom", "affinity"}

    def open_objects(node: Any, path: str) -> list[str]:
        if isinstance(node, list):
            return [found for item in node for found in open_objects(item, path)]
        if not isinstance(node, dict):
            return []
        own = [path] if "properties" in node and node.get("additionalProperties") is not False else []
        return own + [
            found for key, item in node.items() if key not in foreign for found in open_objects(item, f"{path}/{key}")
        ]

    assert open_objects(schema, "") == []


@pytest.mark.parametrize(
    "change",
    [
        {"replicaCount": 2},
        {"image": {"repository": "x", "tags": "1"}},
        {"image": {"repository": "x", "digest": "sha256:short"}},
        {"certificates": {"secrets": []}},
        {"service": {"type": "ClusterIP", "ports": [{"name": "admin", "port": 1, "containerPort": 9090}]}},
        {"service": {"type": "ClusterIP", "ports": [{"name": "https", "port": 443, "containerPort": 443}]}},
        {"podSecurity": {"runAsUser": 0}},
        {"temporary": {"sizeLimit": "much"}},
        {"temporary": {}},
        {"extraEnv": [{"name": "A", "value": "b", "valueFrom": {}}]},
        {"routes": {"version": 1}},
        {"routes": {"version": 2}},
        {"securityContext": {"privileged": True}},
    ],
)
def test_schema_refuses(schema: dict[str, Any], defaults: dict[str, Any], change: dict[str, Any]) -> None:
    assert faults(schema, {**deepcopy(defaults), **change}) != []


def test_schema_refuses_an_admin_port_that_probes_cannot_reach(
    schema: dict[str, Any], defaults: dict[str, Any], example: dict[str, Any]
) -> None:
    assert faults(schema, {**defaults, "routes": example}) == []
    assert faults(schema, {**defaults, "routes": {**example, "admin": {"bind": "127.0.0.1:9090"}}}) != []


def test_example_routes_are_a_valid_configuration(example: dict[str, Any], defaults: dict[str, Any]) -> None:
    config = Config.model_validate(example, context={"base": Path("/etc/broker")})
    assert str(config.admin.bind) == f"0.0.0.0:{defaults['ports']['admin']}"
    bound = {listener.bind.port for listener in config.listeners.values()}
    assert bound == {port["containerPort"] for port in defaults["service"]["ports"]}
    slack = defaults["terminationGracePeriodSeconds"] - defaults["preStopSeconds"] - config.drain_timeout
    assert slack > 5


def test_full_example_meets_the_schema_and_its_routes_are_valid(chart: Path, schema: dict[str, Any]) -> None:
    values = yaml.safe_load((chart / "examples" / "values-full.yaml").read_text())
    as_helm_reads_it = json.loads(json.dumps(values, default=str))
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    assert faults(schema, {**defaults, **as_helm_reads_it, "ports": defaults["ports"]}) == []
    Config.model_validate(as_helm_reads_it["routes"], context={"base": Path("/etc/broker")})


def test_templates_use_only_values_that_exist(templates: dict[str, str], defaults: dict[str, Any]) -> None:
    missing = []
    for name, text in templates.items():
        for path in re.findall(r"\.Values\.([A-Za-z.]+)", text):
            node: Any = defaults
            for key in path.split("."):
                if not isinstance(node, dict) or key not in node:
                    missing.append(f"{name}: {path}")
                    break
                node = node[key]
    assert missing == []


def test_every_value_is_used(templates: dict[str, str], defaults: dict[str, Any]) -> None:
    text = "".join(templates.values())
    assert [key for key in defaults if f".Values.{key}" not in text] == []


def test_templates_include_only_what_is_defined(templates: dict[str, str]) -> None:
    defined = set(re.findall(r'define "([^"]+)"', templates["_helpers.tpl"]))
    used = {name for text in templates.values() for name in re.findall(r'include "([^"]+)"', text)}
    assert used == defined


def test_templates_close_every_block(templates: dict[str, str]) -> None:
    for name, text in templates.items():
        words = re.findall(r"\{\{-?\s*(if|with|range|define|end)\b", text)
        assert words.count("end") == len(words) - words.count("end"), name


@pytest.mark.parametrize(
    "line",
    [
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "drop: [ALL]",
        "type: RuntimeDefault",
        "automountServiceAccountToken: false",
        "path: /healthz",
        "path: /readyz",
        "mountPath: /etc/broker/certs",
        "mountPath: /run/secrets",
        "mountPath: /tmp",
        "checksum/config:",
    ],
)
def test_deployment_always_says(templates: dict[str, str], line: str) -> None:
    assert line in templates["deployment.yaml"]
