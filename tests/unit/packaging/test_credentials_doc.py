"""The examples of docs/credentials.md are right as they stand, and there is one for every kind of credential."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from broker.compile_credentials import LIMITS
from broker.config.credentials import OneCredential
from broker.config.load import examine_text, parse_config
from broker.core.errors import KINDS
from broker.upstream.authenticated import MOST_SENDS

PAGE = (Path(__file__).parents[3] / "docs/credentials.md").read_text()
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
TLS = {"certificates": [{"chain": "certs/server.crt", "key": "certs/server.key"}]}
KINDS_OF_CREDENTIALS: list[type[BaseModel]] = list(get_args(get_args(OneCredential)[0]))


def listed(route: dict[str, Any]) -> list[dict[str, Any]]:
    found = route.get("credentials", [])
    return found if isinstance(found, list) else [found]


USED = [one for example in EXAMPLES for route in example["routes"] for one in listed(route)]


def complete(example: dict[str, Any]) -> str:
    """The example in the smallest file that has what it names."""
    callers = {name for route in example["routes"] for name in route["callers"]}
    upstreams = {route["upstream"] for route in example["routes"]}
    return yaml.safe_dump(
        {
            "version": 1,
            "listeners": {"fno": {"bind": "127.0.0.1:8443", "tls": TLS}},
            "upstreams": {name: {"targets": ["https://10.0.0.12"]} for name in upstreams}
            | example.get("upstreams", {}),
            "callers": {name: {"type": "api_key", "key": "env:KEY"} for name in callers} | example.get("callers", {}),
            "routes": example["routes"],
        }
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"example{index}" for index in range(len(EXAMPLES))])
def test_an_example_has_no_faults(example: dict[str, Any]) -> None:
    assert set(example) <= {"routes", "callers", "upstreams"}
    text = complete(example)
    assert parse_config(text).routes
    assert [str(fault) for fault in examine_text(text)[1]] == []


def test_every_kind_of_credential_has_an_example_and_a_heading() -> None:
    kinds = {get_args(kind.model_fields["type"].annotation)[0] for kind in KINDS_OF_CREDENTIALS}
    assert {one["type"] for one in USED} == kinds
    headings = {title.lower() for title in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)}
    assert kinds - headings == set()


def test_every_variety_has_an_example() -> None:
    def values(kind: str, key: str) -> list[Any]:
        return [one.get(key) for one in USED if one["type"] == kind]

    assert {"client_secret_basic", "client_secret_post", "private_key_jwt"} <= set(values("oauth2", "auth"))
    for key in ("header", "query", "cookie"):
        assert any(values("api_key", key)), key
    for key in ("client_secret", "certificate", "workload_identity", "managed_identity"):
        assert any(values("entra", key)), key
    assert {"text", None} <= set(values("wsse", "password_type"))
    assert {"file:broker.crt", "file:broker.pfx"} <= set(values("client_certificate", "certificate"))
    assert any(len(listed(route)) > 1 for example in EXAMPLES for route in example["routes"])
    assert any(route.get("pass_through") for example in EXAMPLES for route in example["routes"])


def test_sizes_attempts_and_codes_are_those_of_the_code() -> None:
    assert (LIMITS.memory, LIMITS.total) == (1 << 20, 1 << 30)
    assert MOST_SENDS == 6
    for code, status in re.findall(r"`([a-z_]+)`\s\((\d{3})\)", PAGE):
        assert KINDS[code].status == int(status)
