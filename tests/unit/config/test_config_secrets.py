"""Secrets are referred to, never written, and never repeated."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from broker.config.callers import parse_username
from broker.config.load import ConfigError, examine_text, parse_config
from broker.config.model import BasicCredentials, SecretRef
from broker.config.secret_walk import references_in
from broker.config.secrets import KeyVault, Secrets

SECRETS = st.text("abcdefghijkmnpqrstuvwxyzABC123456789!*&%@:{}[],'\"#-|>", min_size=8).map(lambda s: s + "Zq7")


@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(str.isascii))
def test_references_to_the_environment(name: str) -> None:
    reference = SecretRef.parse(f"env:{name}")
    assert (reference.scheme, reference.rest, str(reference)) == ("env", name, f"env:{name}")


def test_references_to_files() -> None:
    assert SecretRef.parse("file:wms/password").rest == "wms/password"
    for text in ("file:", "file: ", "file:../x", "file:a/../b", "file:a\0b"):
        with pytest.raises(ValueError, match="path"):
            SecretRef.parse(text)


@pytest.mark.parametrize(
    "text",
    ["keyvault:prod/sql-password", "keyvault:prod/a/0123456789abcdef", "vault:kv/app#key", "vault:kv/team/app/x#a.b"],
)
def test_references_to_providers(text: str) -> None:
    assert str(SecretRef.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("keyvault:prod", "VAULT/NAME"),
        ("keyvault:https://prod.vault.azure.net/Zq7", "VAULT/NAME"),
        ("keyvault:prod/a_Zq7", "VAULT/NAME"),
        ("keyvault:prod/a/b/Zq7", "VAULT/NAME"),
        ("vault:kv/Zq7", "MOUNT/PATH#KEY"),
        ("vault:kv#Zq7", "MOUNT/PATH#KEY"),
        ("vault:kv//a#Zq7", "MOUNT/PATH#KEY"),
        ("vault:kv/a?b#Zq7", "MOUNT/PATH#KEY"),
        ("vault:kv/../sys/Zq7#a", "must not contain"),
        ("vault:kv/a\n#Zq7", "MOUNT/PATH#KEY"),
    ],
)
def test_a_malformed_reference_to_a_provider_is_not_repeated(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        SecretRef.parse(text)
    assert "Zq7" not in str(caught.value)


def test_what_opens_a_store_is_not_kept_in_one() -> None:
    vault = {"address": "https://vault", "auth": {"type": "token", "token": "vault:kv/a#b"}}
    with pytest.raises(ValueError, match="cannot be kept in one"):
        Secrets.model_validate({"vault": vault})
    for role in ("vault:kv/a#b", ""):
        vault["auth"] = {"type": "approle", "role_id": role}
        with pytest.raises(ValueError, match="role_id"):
            Secrets.model_validate({"vault": vault})


def test_every_reference_of_a_file_is_found_with_its_place(text: str) -> None:
    found = {str(reference): loc for loc, reference in references_in(parse_config(text))}
    assert found["env:KEY"] == ("callers", "fno-dev", "key")


@pytest.mark.parametrize(
    ("url", "sound"),
    [
        ("https://{vault}.vault.azure.cn", True),
        ("https://localhost:8443", True),
        ("http://localhost:8443", False),
        ("https://u:p@h", False),
        ("https://{other}.h", False),
        ("https://h/?a=b", False),
    ],
)
def test_where_vaults_are_is_an_https_url(url: str, sound: bool) -> None:
    if sound:
        assert KeyVault.model_validate({"url": url}).url == url
        return
    with pytest.raises(ValueError, match="https:// URL"):
        KeyVault.model_validate({"url": url})


@given(st.text(min_size=5))
def test_a_literal_is_refused_and_not_repeated(text: str) -> None:
    assume(not text.startswith(("env:", "file:", "vault:", "keyvault:")))
    with pytest.raises(ValueError, match="literal secrets are not allowed") as caught:
        SecretRef.parse(text)
    assume(text not in "literal secrets are not allowed here; put the secret in an environment variable or a file")
    assert text not in str(caught.value)


@given(st.text("ABC-!ü ", min_size=1))
def test_a_malformed_name_is_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="name of an environment variable") as caught:
        SecretRef.parse(f"env:{text}!Zq7")
    assert "Zq7" not in str(caught.value)


def test_a_username_is_text_or_a_reference() -> None:
    assert parse_username("CORP\\svc") == "CORP\\svc"
    assert parse_username("env:USER") == SecretRef("env", "USER")
    for value in ("a:b", "", None, 5, "env:", "vault:x", "a\nb"):
        with pytest.raises(ValueError):
            parse_username(value)


def test_a_reference_is_itself_in_a_model() -> None:
    reference = SecretRef("env", "A")
    made = BasicCredentials(type="basic", username="u", password=reference)
    assert made.password is reference
    assert made.model_dump(mode="json")["password"] == "env:A"


PLACES = {
    "key": "callers:\n  x: {{type: api_key, key: {0}}}",
    "password": "callers:\n  x: {{type: basic, username: u, password: {0}}}",
    "username": "callers:\n  x:\n    type: basic\n    username: 'a:'{0}\n    password: env:A",
    "block": "callers:\n  x:\n    type: api_key\n    key: {0}",
    "chain": "listeners: {{l: {{bind: 'h:1', tls: {{certificates: [{{chain: a, key: {0}}}]}}}}}}",
    "target": "upstreams: {{u: {{targets: ['https://a:{0}@h']}}}}",
    "credentials": "routes:\n  - credentials: {{type: bearer, token: {0}}}",
    "whole": "routes:\n  - credentials: {0}",
}


@pytest.mark.parametrize("place", PLACES)
@given(secret=SECRETS)
def test_no_fault_repeats_a_secret_however_it_is_written(place: str, secret: str) -> None:
    text = "version: 1\n" + PLACES[place].format(secret) + "\n"
    _, faults = examine_text(text)
    assume(not any("Zq7" in fault.path for fault in faults))
    assert faults
    assert not any("Zq7" in fault.message for fault in faults)


def test_an_exception_carries_no_input(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text.replace("env:KEY", "hunter2"))
    assert caught.value.__cause__ is None
    assert "hunter2" not in str(caught.value)
    assert [fault.path for fault in caught.value.faults] == ["callers.fno-dev.key"]
