"""Configured credentials become one header line that is safe to send."""

from base64 import b64decode

import pytest

from broker.config.model import ApiKeyCredentials, BasicCredentials, BearerCredentials
from broker.core.ports import Reference
from broker.core.secret import Secret, SecretUnavailable
from broker.credentials.build import build_credentials

VALUES = {"USER": "wms", "PASSWORD": "pä:ss", "TOKEN": "abc.def", "EVIL": "a\r\nX: y", "COLON": "a:b"}


def resolve(reference: Reference) -> Secret:
    return Secret(VALUES[reference.rest].encode())


@pytest.mark.parametrize("username", ["wms", "env:USER"])
def test_basic_is_user_and_password_in_utf_8(username: str) -> None:
    name, value = build_credentials(BasicCredentials(type="basic", username=username, password="env:PASSWORD"), resolve)
    assert name == b"Authorization"
    assert b64decode(value.removeprefix(b"Basic ")).decode() == "wms:pä:ss"


def test_bearer_is_the_token_behind_its_scheme() -> None:
    line = build_credentials(BearerCredentials(type="bearer", token="env:TOKEN"), resolve)
    assert line == (b"Authorization", b"Bearer abc.def")


def test_an_api_key_goes_into_its_header() -> None:
    line = build_credentials(ApiKeyCredentials(type="api_key", header="X-Key", key="env:TOKEN"), resolve)
    assert line == (b"X-Key", b"abc.def")


@pytest.mark.parametrize(
    "credentials",
    [BearerCredentials(type="bearer", token="env:EVIL"), ApiKeyCredentials(type="api_key", header="X", key="env:EVIL")],
)
def test_a_line_end_in_a_secret_is_refused_and_not_repeated(credentials: object) -> None:
    with pytest.raises(SecretUnavailable, match="env:EVIL") as caught:
        build_credentials(credentials, resolve)  # type: ignore[arg-type]
    assert "X: y" not in str(caught.value)


def test_a_user_name_from_a_reference_holds_no_colon() -> None:
    with pytest.raises(SecretUnavailable, match="env:COLON: a user name holds no colon"):
        build_credentials(BasicCredentials(type="basic", username="env:COLON", password="env:PASSWORD"), resolve)
