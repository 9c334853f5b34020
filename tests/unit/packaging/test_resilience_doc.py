"""The defaults that docs/resilience.md names are those of the settings, and its examples can be loaded."""

import re
from pathlib import Path
from typing import Any, Final, get_args

import pytest
import yaml
from pydantic import BaseModel

from broker.config.caller_base import CallerModel
from broker.config.load import examine_text
from broker.config.model import Config, Listener, Route, Upstream
from broker.core.errors import KINDS

PAGE = (Path(__file__).parents[3] / "docs/resilience.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TLS = {"certificates": [{"chain": "server.crt", "key": "server.key"}]}
OF: Final[dict[str, type[BaseModel]]] = {
    "caller": CallerModel,
    "listener": Listener,
    "route": Route,
    "top level": Config,
    "upstream": Upstream,
}
ROWS = re.findall(rf"^\|(?: [^|]+ \|)? ({'|'.join(OF)}) \| `([a-z_.]+)` \| ([^|]+) \|", PAGE, re.MULTILINE)


def default_of(model: type[BaseModel], key: str) -> Any:
    """As the file would say it; None where an absent key means that there is nothing."""
    name, _, rest = key.partition(".")
    field = model.model_fields[name]
    if not rest:
        return field.get_default(call_default_factory=True)
    [inner] = [kind for kind in (field.annotation, *get_args(field.annotation)) if hasattr(kind, "model_fields")]
    return default_of(inner, rest)


@pytest.mark.parametrize(("place", "key", "said"), ROWS)
def test_a_default_is_what_the_page_says(place: str, key: str, said: str) -> None:
    default = default_of(OF[place], key)
    if default is None:
        assert said == "none" or key == "deadline"
    else:
        assert yaml.safe_load(said.strip("`")) == default


def test_every_setting_of_the_page_is_found() -> None:
    assert len(ROWS) >= 37


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_has_no_faults(example: str) -> None:
    """As it stands, with what it leaves out after it."""
    given = yaml.safe_load(example)
    named = {name for route in given.get("routes", []) for name in route["callers"]}
    usual: dict[str, Any] = {
        "version": 1,
        "listeners": {"fno": {"bind": "127.0.0.1:8443", "tls": TLS}},
        "callers": {name: {"type": "api_key", "header": "X-Key", "key": "env:KEY"} for name in named},
        "upstreams": {"back": {"targets": ["http://10.0.0.12"]}},
        "routes": [{"name": "all", "callers": "public", "upstream": next(iter(given.get("upstreams", ["back"])))}],
    }
    rest = {name: part for name, part in usual.items() if name not in given}
    config, faults = examine_text(example + yaml.safe_dump(rest))
    assert [str(fault) for fault in faults] == []
    assert config is not None


def test_every_code_of_the_page_exists() -> None:
    answers = re.findall(r"\b([45]\d\d) `([a-z_]+)`", PAGE)
    assert len(answers) > 10
    assert [(status, code) for status, code in answers if KINDS[code].status != int(status)] == []
