"""A certificate's names are compared by us when no SNI is sent."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from broker.testing.pki import Authority
from broker.tls.errors import TlsFailure
from broker.tls.names import check_name, matches

CA = Authority.create()


def der(*names: str, common_name: str = "cn.test") -> bytes:

    return CA.issue(names, common_name=common_name).certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("pattern", "host"),
    [("erp.test", "ERP.test"), ("erp.test", "erp.test."), ("*.corp.test", "erp.corp.test"), ("host", "host")],
)
def test_a_pattern_covers_a_host(pattern: str, host: str) -> None:
    assert matches(pattern, host)


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("*.corp.test", "corp.test"),
        ("*.corp.test", "a.b.corp.test"),
        ("*.test", "erp.test"),
        ("*", "erp"),
        ("e*.corp.test", "erp.corp.test"),
        ("erp.*.test", "erp.corp.test"),
        ("*.corp.test", ".corp.test"),
        ("erp.test", "erp.test.evil.test"),
    ],
)
def test_a_pattern_does_not_cover_a_host(pattern: str, host: str) -> None:
    assert not matches(pattern, host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0:0::1"])
def test_an_address_matches_an_address(host: str) -> None:
    check_name(der("127.0.0.1", "::1"), host, common_name=False)


def test_an_address_never_matches_the_subject() -> None:
    with pytest.raises(TlsFailure) as caught:
        check_name(der(common_name="127.0.0.1"), "127.0.0.1", common_name=True)
    assert caught.value.verify_code == 64


def test_the_subject_does_not_count_beside_a_dns_name() -> None:
    with pytest.raises(TlsFailure) as caught:
        check_name(der("other.test"), "cn.test", common_name=True)
    assert caught.value.verify_code == 62


@pytest.mark.parametrize("certificate", [None, b"garbage"])
def test_no_certificate_matches_nothing(certificate: bytes | None) -> None:
    with pytest.raises(TlsFailure):
        check_name(certificate, "erp.test", common_name=True)
