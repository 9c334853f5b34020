"""A failed handshake is explained with the next setting to try."""

from pathlib import Path

import pytest

from broker.config.upstream_tls import UpstreamTls
from broker.tls.errors import TlsFailure
from broker.tls.explain import explain
from broker.tls.profiles import options_of


def told(reason: str, code: int = 0, **tls: object) -> str:
    return explain(TlsFailure(reason, "the library's words", code), options_of(UpstreamTls.model_validate(tls)))


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ({}, "`tls.profile: legacy`"),
        ({"profile": "legacy"}, "`tls.profile: obsolete`"),
        ({"profile": "obsolete"}, "`tls.hello: short`"),
        ({"profile": "obsolete", "hello": "short"}, "`tls.hello: bare`"),
        ({"profile": "obsolete", "hello": "bare"}, "`tls.max_version: SSLv3`"),
    ],
)
@pytest.mark.parametrize(
    "reason",
    [
        "UNSUPPORTED_PROTOCOL",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "UNEXPECTED_EOF",
        "CONNECTION_RESET",
        "TIMEOUT",
    ],
)
def test_each_rung_names_the_next(reason: str, tls: dict[str, object], expected: str) -> None:
    assert expected in told(reason, **tls)
    assert "`broker probe`" in told(reason, **tls)


@pytest.mark.parametrize(
    ("reason", "tls", "expected"),
    [
        ("DH_KEY_TOO_SMALL", {}, "`tls.profile: legacy`"),
        ("DH_KEY_TOO_SMALL", {"profile": "legacy"}, "`tls.profile: obsolete`"),
        ("DH_KEY_TOO_SMALL", {"profile": "obsolete"}, "make obsolete-tls"),
        ("RENEGOTIATION_WANTED", {"profile": "obsolete"}, "make obsolete-tls"),
        ("UNSAFE_LEGACY_RENEGOTIATION_DISABLED", {}, "`tls.profile: legacy`"),
        (
            "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
            {"profile": "legacy", "legacy_renegotiation": False},
            "`tls.legacy_renegotiation: true`",
        ),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", {}, "`tls.client_certificate`"),
        (
            "SSLV3_ALERT_BAD_CERTIFICATE",
            {"client_certificate": {"chain": Path("c.pem"), "key": Path("k.pem")}},
            "did not accept",
        ),
        ("TLSV1_UNRECOGNIZED_NAME", {}, '`tls.server_name: ""`'),
        ("TIMEOUT", {"profile": "legacy"}, '`tls.server_name: ""`'),
        ("WRONG_VERSION_NUMBER", {}, "`http://`"),
        ("SOMETHING_NEW", {}, "(SOMETHING_NEW)"),
    ],
)
def test_each_failure_names_its_setting(reason: str, tls: dict[str, object], expected: str) -> None:
    assert expected in told(reason, **tls)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(10, "expired"), (18, "self-signed"), (62, "`tls.server_name`"), (66, "`tls.profile: legacy`"), (99, "words")],
)
def test_a_refused_certificate_is_told_by_its_fault(code: int, expected: str) -> None:
    assert expected in told("CERTIFICATE_VERIFY_FAILED", code)


def test_without_a_name_none_is_blamed() -> None:
    assert "server_name" not in told("TIMEOUT", server_name="")
