"""The schema, the reference, the example and the commands agree with the model."""

import argparse
import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from broker.cli import check as check_command
from broker.cli import schema as schema_command
from broker.config.load import parse_config
from broker.config.reference import key_tables, with_tables
from broker.config.schema import json_schema

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = (ROOT / "routes.yaml").read_text()
PAGE = (ROOT / "docs/configuration.md").read_text()


def data(text: str) -> object:
    """What an editor sees: dates are strings."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def test_the_example_is_valid() -> None:
    config = parse_config(EXAMPLE)
    assert [route.name for route in config.routes] == ["warehouse-soap", "warehouse-rest"]
    assert EXAMPLE.startswith("# yaml-language-server: $schema=docs/routes.schema.json\n")


def test_the_schema_is_valid_and_takes_the_example() -> None:
    Draft202012Validator.check_schema(json_schema())
    Draft202012Validator(json_schema()).validate(data(EXAMPLE))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("env:FNO_API_KEY", "hunter2"),
        ("55s", "55"),
        ("10MiB", "10 MB"),
        ("127.0.0.1:8443", "8443"),
        ("https://127.0.0.1:8444", "127.0.0.1:8444"),
        ("deadline", "dead_line"),
        ("profile: legacy", "profile: ssl3"),
        ("version: 1", "version: 2"),
        ("  fno-dev:", "  fno dev:"),
    ],
)
def test_the_schema_refuses_what_check_refuses(old: str, new: str) -> None:
    assert old in EXAMPLE
    with pytest.raises(ValidationError):
        Draft202012Validator(json_schema()).validate(data(EXAMPLE.replace(old, new)))


def test_the_stored_schema_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema_command.run(argparse.Namespace()) == 0
    assert (ROOT / "docs/routes.schema.json").read_text() == capsys.readouterr().out


def test_every_key_is_described() -> None:
    for name, model in {"": json_schema(), **json_schema()["$defs"]}.items():
        assert model["description"], name
    assert not re.search(r"\| *\|$", key_tables(), re.MULTILINE)


def test_the_reference_shows_words_as_the_file_has_them() -> None:
    assert "| `channel_binding` | `auto`, `off` |" in key_tables()
    assert "`False`" not in key_tables()
    assert "| `budget` | share or number |" in key_tables()


@pytest.mark.parametrize(("share", "taken"), [("12.5%", True), (0.2, True), (0, True), ("0.2", False), (1, False)])
def test_the_schema_takes_the_shares_that_check_takes(share: object, taken: bool) -> None:
    retry = {"$defs": json_schema()["$defs"], "$ref": "#/$defs/Retry"}
    assert Draft202012Validator(retry).is_valid({"budget": share}) is taken


def test_the_reference_is_up_to_date() -> None:
    assert with_tables(PAGE) == PAGE
    with pytest.raises(ValueError, match="no marks"):
        with_tables("# Configuration")


def test_examples_of_the_reference_are_valid() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len([parse_config(block) for block in blocks if "routes:" in block]) == 1


def run_check(*options: str) -> int:
    parser = argparse.ArgumentParser()
    check_command.add_arguments(parser)
    return check_command.run(parser.parse_args(options))


def test_check_of_a_good_file(routes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_check("-c", str(routes)) == 0
    assert capsys.readouterr() == ("", f"{routes}: ok\n")
    assert run_check("-c", str(routes), "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_check_of_a_file_with_a_warning(routes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (routes.parent / "server.key").chmod(0o644)
    assert run_check("--config", str(routes)) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{routes}:6: listeners.fno.tls.certificates[0].key: warning: other users")
    assert err == f"{routes}: 1 warning\n"


def test_check_of_a_bad_file(routes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(routes.parent)
    (routes.parent / "server.key").chmod(0o644)
    routes.write_text(routes.read_text().replace("env:KEY", "hunter2") + "    path: x\n    colour: red\n")
    assert run_check() == 1
    out, err = capsys.readouterr()
    assert err == "routes.yaml: 3 errors, 1 warning\n"
    assert "hunter2" not in out
    assert run_check("--json") == 1
    [first, *others] = json.loads(capsys.readouterr().out)
    assert first == {
        "file": "routes.yaml",
        "line": 6,
        "path": "listeners.fno.tls.certificates[0].key",
        "message": "other users of this machine can read the private key; chmod 600 it",
        "severity": "warning",
    }
    assert [(each["line"], each["path"]) for each in others] == [
        (11, "callers.fno-dev.key"),
        (16, "routes[0].path"),
        (17, "routes[0].colour"),
    ]
