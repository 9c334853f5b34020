"""Each setting of a caller that is wrong is a fault at its place, and each example of the documentation is right."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.callers.build import build_callers
from broker.config.load import check, examine_text, parse_config
from broker.core.secret import Secret
from broker.testing.pki import Authority

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/callers.md").read_text()
GUID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
LISTENER: dict[str, Any] = {
    "bind": "127.0.0.1:8443",
    "tls": {"certificates": [{"chain": "certs/server.crt", "key": "certs/server.key"}]},
}


def document(callers: dict[str, Any], *names: str, listener: dict[str, Any] | None = None, **route: Any) -> str:
    merged = {**LISTENER, **(listener or {})}
    merged["tls"] = {**LISTENER["tls"], **(listener or {}).get("tls", {})}
    return yaml.safe_dump(
        {
            "version": 1,
            "listeners": {"fno": merged},
            "upstreams": {"warehouse": {"targets": ["https://10.0.0.12:8443"]}},
            "callers": callers,
            "routes": [{"name": "one", "callers": list(names or callers), "upstream": "warehouse", **route}],
        }
    )


def faults(*args: Any, **kwargs: Any) -> list[str]:
    _, found = examine_text(document(*args, **kwargs))
    return [str(fault).partition(": ")[2] for fault in found]


KEY = {"type": "api_key", "key": "env:K"}
TOKEN = {"type": "entra_jwt", "tenant": GUID, "audience": "a", "roles": ["r"]}
SIGNED = {"type": "hmac", "secret": "env:S"}
CERT = {"type": "mtls", "sha256": ["a" * 64]}


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        ({**KEY, "header": "X-K", "query": "k"}, "callers.c.query: the key comes in a header or in the query"),
        ({**KEY, "keys": ["env:L"]}, "callers.c.keys: contradicts `key`"),
        ({"type": "api_key"}, "callers.c.key: required, or `keys` for several"),
        ({"type": "api_key", "keys": ["env:K", "env:K"]}, "callers.c.keys[1]: this key is there already"),
        ({"type": "api_key", "keys": ["hunter2"]}, "callers.c.keys[0]: literal secrets are not allowed here"),
        ({**KEY, "query": "a&b"}, "callers.c.query: expected the name of a query parameter"),
        ({**KEY, "header": "Host"}, "callers.c.header: this header steers the connection"),
        ({"type": "ip", "allow": []}, "callers.c.allow: is empty"),
        ({"type": "ip", "allow": ["10.0.0.1/8"]}, "callers.c.allow[0]: expected a network"),
        ({**TOKEN, "tenant": "contoso"}, "callers.c.tenant: expected a GUID"),
        ({**TOKEN, "tenant": None}, "callers.c.tenant: required, or `issuer`"),
        ({**TOKEN, "issuer": "https://idp.example"}, "callers.c.issuer: contradicts `tenant`"),
        ({**TOKEN, "authority": "http://login.example"}, "callers.c.authority: expected https://"),
        ({**TOKEN, "jwks_url": "keys"}, "callers.c.jwks_url: expected a URL"),
        ({**TOKEN, "algorithms": ["HS256"]}, "callers.c.algorithms[0]: expected RS256"),
        ({**TOKEN, "algorithms": ["none"]}, "callers.c.algorithms[0]: expected RS256"),
        ({**TOKEN, "app_ids": ["x"]}, "callers.c.app_ids[0]: expected a GUID"),
        ({**TOKEN, "roles": []}, "callers.c: warning: any application of the tenant"),
        ({**SIGNED, "signed": "body", "timestamp_header": "X-T"}, "callers.c.timestamp_header: warning: does nothing"),
        ({**SIGNED, "timestamp_header": "x-signature"}, "callers.c.timestamp_header: is the header of the signature"),
        ({**SIGNED, "window": "0s"}, "callers.c.window: expected a duration longer than 0"),
        ({**SIGNED, "encoding": "utf-8"}, "callers.c.encoding: expected hex or base64"),
        ({**CERT, "subject": "CN=a, O=b"}, "callers.c.subject: expected a distinguished name of RFC 4514"),
        ({**CERT, "sha256": ["abc"]}, "callers.c.sha256[0]: expected the SHA-256 digest"),
        (CERT, "callers.c: listeners.fno asks for no certificates: set `tls.client_ca` there"),
        ({**CERT, "trusted_header": "X-C"}, "callers.c.trusted_header: listeners.fno has no `trusted_proxies`"),
        ({"type": "mtls", "trusted_header": "X-C"}, "callers.c.trusted_header: give `ca` or `sha256` as well"),
        ({**CERT, "trusted_format": "pem"}, "callers.c.trusted_format: warning: does nothing"),
        ({"type": "all_of", "of": ["c", "d"]}, "callers.c.of[0]: an all_of is made of other kinds"),
        ({"type": "all_of", "of": ["d", "d"]}, "callers.c.of[1]: is named already"),
        ({"type": "all_of", "of": ["d", "dd"]}, "callers.c.of[1]: no such entry in `callers`; did you mean d?"),
        ({"type": "all_of", "of": ["d", "e"]}, "callers.c.of: d and e both read Authorization"),
        ({"type": "jwt"}, "callers.c.type: unknown type; expected one of"),
    ],
)
def test_a_wrong_setting_is_a_fault_at_its_place(caller: dict[str, Any], expected: str) -> None:
    others = {name: {"type": "basic", "username": name, "password": "env:P"} for name in ("d", "e")}
    found = faults({"c": caller, **others})
    assert any(expected in fault for fault in found), found
    assert "hunter2" not in str(found)


def test_parts_of_an_all_of_are_used() -> None:
    callers = {
        "hq": {"type": "ip", "allow": ["10.0.0.0/8"]},
        "fno": KEY,
        "both": {"type": "all_of", "of": ["hq", "fno"]},
    }
    assert faults(callers, "both") == []


@pytest.mark.parametrize("mtls", ["optional", "required"])
def test_asking_for_certificates_takes_a_ca(mtls: str) -> None:
    [fault] = faults({"c": KEY}, listener={"tls": {"mtls": mtls}})
    assert f"listeners.fno.tls.mtls: `{mtls}` needs `client_ca`" in fault


def test_a_ca_for_nothing_is_a_warning() -> None:
    [fault] = faults({"c": KEY}, listener={"tls": {"mtls": "off", "client_ca": "ca.crt"}})
    assert "listeners.fno.tls.client_ca: warning: does nothing" in fault


def test_off_may_be_written_without_quotes() -> None:
    text = document({"c": KEY}).replace("    tls:\n", "    tls:\n      mtls: off\n")
    assert parse_config(text).listeners["fno"].tls.asks_for == "off"


def test_a_caller_of_a_part_of_an_all_of_is_looked_at_as_well() -> None:
    callers = {"cert": CERT, "fno": KEY, "both": {"type": "all_of", "of": ["cert", "fno"]}}
    [fault] = faults(callers, "both")
    assert "callers.cert: listeners.fno asks for no certificates" in fault


def test_a_caller_header_on_a_public_route_is_a_warning() -> None:
    text = document({"c": KEY}, caller_header="X-Caller").replace("callers:\n  - c\n", "callers: public\n")
    _, found = examine_text(text)
    assert any("routes[0].caller_header: warning: is never sent" in str(fault) for fault in found)


def test_a_caller_header_has_a_header_of_its_own() -> None:
    credentials = {"type": "api_key", "header": "x-caller", "key": "env:K"}
    [fault] = faults({"c": KEY}, caller_header="X-Caller", credentials=credentials)
    assert "routes[0].caller_header: carries the credential of this route already" in fault


def test_a_ca_that_the_listener_does_not_know_is_a_fault(unit_routes: Path, tmp_path: Path) -> None:
    known, other = Authority.create("Known"), Authority.create("Other")
    known.write_ca(tmp_path, "known.crt")
    other.write_ca(tmp_path, "other.crt")
    listener = {"tls": {"client_ca": "known.crt", "mtls": "optional"}}

    def found(ca: str) -> str:
        path = tmp_path / "mtls.yaml"
        path.write_text(document({"c": {"type": "mtls", "ca": ca}}, listener=listener))
        return "\n".join(
            fault.message for fault in check(path) if fault.path == "callers.c.ca" and fault.severity == "error"
        )

    assert found("known.crt") == ""
    assert "listeners.fno ends the handshake with certificates of this CA" in found("other.crt")
    assert "cannot be read" in found("none.crt")
    assert "holds no valid PEM certificate" in found("mtls.yaml")


# The documentation.


def examples() -> list[dict[str, Any]]:
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]


def whole(example: dict[str, Any]) -> str:
    """An example with what it leaves out."""
    usual = yaml.safe_load(document({"fno": KEY}))
    return yaml.safe_dump({**usual, **example})


@pytest.mark.parametrize("example", examples(), ids=lambda example: "-".join(example.get("callers", example)))
def test_examples_have_no_fault(example: dict[str, Any]) -> None:
    config, found = examine_text(whole(example))
    assert config is not None
    assert [str(fault) for fault in found] == []


def test_each_type_has_an_example_that_can_be_put_to_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "certs").mkdir()
    Authority.create().write_ca(tmp_path / "certs", "contoso-ca.crt")
    monkeypatch.chdir(tmp_path)
    types, failed = set(), list[str]()
    for example in examples():
        callers = parse_config(whole(example)).callers
        types |= {caller.type for caller in callers.values()}
        checks = build_callers(callers, lambda _: Secret(b"secret"), lambda *told: failed.append(": ".join(told)))
        assert (set(checks), failed) == (set(callers), [])
    assert types == {"api_key", "basic", "mtls", "entra_jwt", "hmac", "ip", "all_of"}


def test_links_of_the_page_lead_to_headings() -> None:
    headings = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings
