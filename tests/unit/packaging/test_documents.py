"""What documents and configuration files promise, against what there is."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from jsonschema import Draft7Validator

from broker.config.model import Config
from broker.core.alarms import AlarmWheel
from broker.core.errors import KINDS
from broker.core.exchange import Exchange
from broker.observe.access_log import AccessLog
from broker.observe.metrics import BrokerCollector
from broker.observe.redact import Redactor
from broker.observe.sources import SharedLimitsState, UpstreamState
from broker.observe.tally import Tallies

DOCUMENTS = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "THREAT_MODEL.md",
    "docs/attack.md",
    "docs/callers.md",
    "docs/credentials.md",
    "docs/deployment.md",
    "docs/legacy-tls.md",
    "docs/observability.md",
    "docs/reload.md",
    "docs/resilience.md",
    "docs/secrets.md",
    "docs/tokens.md",
    "helm/README.md",
)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(root: Path, name: str) -> None:
    text = (root / name).read_text()
    dead = []
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (root / name).parent / path if path else root / name
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_examples_in_yaml_and_json_can_be_read(root: Path, name: str) -> None:
    text = (root / name).read_text()
    for block in blocks(text, "yaml"):
        assert yaml.safe_load(block)
    for block in blocks(text, "json"):
        assert json.loads(block)


def test_values_of_the_deployment_guide_fit_the_chart(root: Path, chart: Path) -> None:
    texts = blocks((root / "docs/deployment.md").read_text(), "yaml")
    [values] = [values for values in map(yaml.safe_load, texts) if "routes" in values]
    as_helm_reads_it = json.loads(json.dumps(values, default=str))
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    defaults["service"] |= as_helm_reads_it.pop("service")
    schema = json.loads((chart / "values.schema.json").read_text())
    Draft7Validator(schema).validate({**defaults, **as_helm_reads_it})
    Config.model_validate(as_helm_reads_it["routes"], context={"base": Path("/etc/broker")})


def families() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Name as documented → type, label names; of everything that the broker exposes itself."""
    tallies = Tallies()
    tallies.upstream("u")
    state = UpstreamState("u", 0, 0, {("p", "c"): 1}, {"r": 1})

    def store() -> SharedLimitsState:
        return SharedLimitsState(up=True, fallbacks=0)

    collected = list(BrokerCollector(tallies, lambda: [state], list, list, limits_store=store).collect())
    suffix = {"counter": "_total"}
    labels = {f.name: tuple(getattr(f, "_labelnames", ())) for f in collected}
    return MappingProxyType({f.name + suffix.get(f.type, ""): (f.type, labels[f.name]) for f in collected})


def test_every_metric_is_documented_with_its_type_and_labels(root: Path) -> None:
    text = (root / "docs/observability.md").read_text()
    rows = re.findall(r"^\| `(broker_\w+)` \| (\w+) \|([^|]*)\|", text, re.MULTILINE)
    documented = {name: (kind, tuple(filter(None, labels.strip().split(", ")))) for name, kind, labels in rows}
    assert documented == dict(families())


def test_alerts_use_only_metrics_and_codes_that_exist(root: Path) -> None:
    text = (root / "docs/observability.md").read_text()
    used = {re.sub("_bucket$", "", name) for name in re.findall(r"\bbroker_[a-z_]+\b", text)}
    assert used - set(families()) == set()
    codes = {code for group in re.findall(r'code=~?"([^"]+)"', text) for code in group.split("|")}
    assert codes <= set(KINDS)


def test_every_alert_says_what_is_the_matter(root: Path) -> None:
    [rules] = blocks((root / "docs/observability.md").read_text(), "yaml")
    for rule in yaml.safe_load(rules)["groups"][0]["rules"]:
        assert rule["alert"].startswith("Broker")
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]


async def a_line_of_the_access_log() -> dict[str, Any]:
    out = StringIO()
    head = SimpleNamespace(target=b"/warehouse/?code=secret", method=b"POST")
    side = SimpleNamespace(peer="203.0.113.7")
    exchange = SimpleNamespace(
        head=head,
        plan=None,
        caller="",
        caller_side=side,
        request_id="1",
        listener="fno",
        status=404,
        code="no_route",
        upstream_seconds=-1.0,
        body=None,
        bytes_out=0,
        replayed=False,
    )
    log = AccessLog(AlarmWheel(asyncio.get_running_loop()), Redactor(), out)
    log.write(cast("Exchange", exchange), 0.001, False)
    log.flush()
    return json.loads(out.getvalue())


async def test_access_log_example_has_the_documented_fields_and_so_has_the_log(root: Path) -> None:
    text = (root / "docs/observability.md").read_text()
    section = text.partition("## Access log")[2].partition("\n## ")[0]
    [example] = blocks(section, "json")
    named = {name for row in re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE) for name in re.findall(r"\w+", row)}
    assert set(json.loads(example)) == named
    line = await a_line_of_the_access_log()
    assert list(line) == list(json.loads(example))
    assert "secret" not in line["path"]


def test_changelog_has_an_unreleased_part(root: Path) -> None:
    text = (root / "CHANGELOG.md").read_text()
    assert re.match(r"# Changelog\n", text)
    assert re.search(r"^## \[Unreleased\]\n", text, re.MULTILINE)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.fixture(scope="module")
def hooks(root: Path) -> list[dict[str, Any]]:
    repositories = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    return repositories[0]["hooks"]


def test_commit_hooks_are_valid(root: Path) -> None:
    command = [sys.executable, "-m", "pre_commit", "validate-config", ".pre-commit-config.yaml"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_commit_hooks_run_what_is_installed_and_need_no_network(hooks: list[dict[str, Any]]) -> None:
    here = str(Path(sys.executable).parent)
    for hook in hooks:
        assert hook["language"] == "system"
        directory, _, program = hook["entry"].split()[0].rpartition("/")
        assert directory == ".venv/bin"
        assert shutil.which(program, path=here), program
