"""Settings of credentials whose tokens are had from somewhere: what `check` says of wrong ones."""

from pathlib import Path

import pytest

from broker.config import credentials_entra
from broker.config.load import check, parse_config
from broker.config.model import EntraCredentials, OAuth2Credentials

GUID = "0a8f1f4e-6e1b-4a3c-9a51-0e7b8f2d6c11"
BASE = """\
version: 1
listeners:
  fno: {bind: "127.0.0.1:8443", tls: {certificates: [{chain: a.crt, key: a.key}]}}
upstreams:
  orders: {targets: ["https://10.0.0.12"]}
routes:
  - {name: orders, callers: public, upstream: orders, credentials: {CREDENTIALS}}
"""
OAUTH2 = "type: oauth2, token_url: https://login.example.com/token, client_id: me"
ENTRA = "type: entra, scope: https://x/.default"
APPLICATION = f"{ENTRA}, tenant: {GUID}, client_id: {GUID}"


def faults(directory: Path, credentials: str) -> list[str]:
    """What `check` says below `credentials`."""
    path = directory / "routes.yaml"
    path.write_text(BASE.replace("{CREDENTIALS}", "{" + credentials + "}"))
    found = [fault for fault in check(path) if "credentials" in fault.path]
    return [f"{fault.path.removeprefix('routes[0].credentials')}: {fault.message}" for fault in found]


@pytest.mark.parametrize(
    ("credentials", "method"),
    [
        (f"{OAUTH2}, client_secret: env:S", "client_secret_basic"),
        (f"{OAUTH2}, client_secret: env:S, auth: client_secret_post", "client_secret_post"),
        (f"{OAUTH2}, certificate: file:c.pfx, passphrase: env:P, algorithm: RS256", "private_key_jwt"),
        (f"{OAUTH2}, key: keyvault:vault/name, key_id: k", "private_key_jwt"),
        (f"{OAUTH2}, client_secret: env:S, parameters: {{a: b, c: env:D}}, lifetime: 5m", "client_secret_basic"),
        (
            "type: oauth2, token_url: 'http://[::1]:8080/t?a=b', client_id: me, client_secret: env:S",
            "client_secret_basic",
        ),
    ],
)
def test_oauth2_is_accepted(tmp_path: Path, credentials: str, method: str) -> None:
    assert faults(tmp_path, credentials) == []
    config = parse_config((tmp_path / "routes.yaml").read_text()).routes[0].credentials
    assert isinstance(config, OAuth2Credentials)
    assert config.method == method


@pytest.mark.parametrize(
    "way",
    [
        f"{APPLICATION}, client_secret: env:S",
        f"{APPLICATION}, certificate: file:c.pem, key: file:k.pem",
        f"{ENTRA}, workload_identity: true",
        f"{ENTRA}, managed_identity: true",
        f"{ENTRA}, managed_identity: {GUID}, authority: https://login.microsoftonline.us/",
    ],
)
def test_entra_is_accepted(tmp_path: Path, way: str) -> None:
    assert faults(tmp_path, way) == []
    assert isinstance(parse_config((tmp_path / "routes.yaml").read_text()).routes[0].credentials, EntraCredentials)


@pytest.mark.parametrize(
    ("credentials", "text"),
    [
        (OAUTH2, "client_secret_basic needs a `client_secret`"),
        (f"{OAUTH2}, client_secret: hunter2", ".client_secret: literal secrets are not allowed here"),
        (f"{OAUTH2}, client_secret: env:S, certificate: env:C", "one proof is enough"),
        (f"{OAUTH2}, auth: private_key_jwt", "private_key_jwt needs a `certificate`, or a `key`"),
        (f"{OAUTH2}, auth: client_secret_post, key: env:K", "client_secret_post has no use for a certificate or key"),
        (f"{OAUTH2}, client_secret: env:S, algorithm: PS256", "`algorithm` is for private_key_jwt only"),
        (f"{OAUTH2}, client_secret: env:S, auth: none", ".auth: expected client_secret_basic"),
        (f"{OAUTH2}, client_secret: env:S, parameters: {{client_secret: x}}", ".parameters: client_secret: the broker"),
        (f"{OAUTH2}, client_secret: env:S, proxy: 'http://me:hunter2@proxy:1'", ".proxy: expected the URL of a proxy"),
        (f"{OAUTH2}, client_secret: env:S, ca: missing.crt", ".ca: cannot be read"),
        (f"{OAUTH2}, client_secret: env:S, timeout: 0", ".timeout: expected a duration longer than 0"),
        (ENTRA, "needs one of client_secret, certificate, workload_identity, managed_identity"),
        (f"{ENTRA}, client_secret: env:S", "`client_secret` needs `tenant`"),
        (f"{APPLICATION}, client_secret: env:S, certificate: env:C", "not client_secret and certificate"),
        (f"{APPLICATION}, managed_identity: true", "`managed_identity` has no `tenant`"),
        (f"{ENTRA}, managed_identity: other", ".managed_identity: expected true, or the client id"),
        (f"{ENTRA}, workload_identity: true, passphrase: env:P", "`passphrase` belongs to a `certificate`"),
        (f"{ENTRA}, managed_identity: true, ca: missing.crt", ".ca: cannot be read"),
        (f"{ENTRA}, managed_identity: true, authority: http://localhost", ".authority: expected a URL such as"),
        ("type: entra, scope: https://x/read, managed_identity: true", ".scope: expected a scope such as"),
        ("type: entra, scope: a b/.default, managed_identity: true", ".scope: a token is for one service"),
    ],
)
def test_wrong_settings_are_named_and_not_repeated(tmp_path: Path, credentials: str, text: str) -> None:
    found = faults(tmp_path, credentials)
    assert any(text in fault for fault in found), found
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    "url",
    ["login", "ftp://x/t", "http://login.example.com/t", "https://me:hunter2@x/t", "https://x/t#f", "https://x:99999"],
)
def test_a_wrong_token_url_is_a_fault(tmp_path: Path, url: str) -> None:
    (fault,) = faults(tmp_path, f"type: oauth2, token_url: '{url}', client_id: me, client_secret: env:S")
    assert fault.startswith((".token_url: expected ", ".token_url: a URL with a user name"))
    assert "hunter2" not in fault


def test_a_library_that_is_missing_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials_entra, "find_spec", lambda _: None)
    (fault,) = faults(tmp_path, f"{ENTRA}, managed_identity: true")
    assert fault == ".type: entra: needs pip install 'tls-broker[azure]'"
