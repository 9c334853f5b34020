"""Settings of Digest and Windows credentials, and what is refused in them."""

from typing import Any

import pytest
from pydantic import ValidationError

from broker.config.credentials_digest import DigestCredentials
from broker.config.credentials_windows import NegotiateCredentials, NtlmCredentials

WHO = {"username": "wms", "password": "env:PASSWORD"}


def test_digest_needs_a_name_and_a_password() -> None:
    assert DigestCredentials(type="digest", **WHO).auth_int is False
    with pytest.raises(ValidationError):
        DigestCredentials(type="digest", username="wms")


@pytest.mark.parametrize("off", ["off", False])
def test_off_may_be_written_without_quotes(off: object) -> None:
    assert NtlmCredentials(type="ntlm", **WHO, channel_binding=off).channel_binding == "off"
    assert NtlmCredentials(type="ntlm", **WHO).channel_binding == "auto"


@pytest.mark.parametrize(
    "settings",
    [
        {"domain": "CORP", "workstation": "BROKER-1", "spn": "HTTP/wms.corp.example"},
        {"domain": "corp.example", "spn": "wsman/wms"},
        {"username": "CORP\\wms"},
        {"username": "wms@corp.example"},
        {"username": "env:USER", "domain": "CORP"},
    ],
)
def test_what_names_a_user_is_taken(settings: dict[str, Any]) -> None:
    assert NegotiateCredentials(type="negotiate", **(WHO | settings)).type == "negotiate"


@pytest.mark.parametrize(
    "settings",
    [
        {"domain": "CORP\\"},
        {"domain": "a b"},
        {"domain": ""},
        {"domain": "CORP\n"},
        {"workstation": "a b"},
        {"workstation": "x" * 64},
        {"spn": "HTTP"},
        {"spn": "HTTP/wms@CORP.EXAMPLE"},
        {"channel_binding": True},
        {"channel_binding": "on"},
        {"username": "CORP\\wms", "domain": "CORP"},
        {"username": "wms@corp.example", "domain": "CORP"},
        {"user": "x"},
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NegotiateCredentials(type="negotiate", **(WHO | settings))
