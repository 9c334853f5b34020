"""Certificates are compared with what they must be, and read from a header only where a balancer is believed."""

import datetime as dt
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from broker.callers.cert_header import PARSERS, from_pem, from_rfc9440, from_xfcc
from broker.callers.certificate import CertificateJudge, Demands
from broker.callers.mtls import MtlsCheck
from broker.callers.verdict import ADMITTED, Finding
from broker.config.callers_mtls import parse_subject, read_subject
from broker.core.exchange import Exchange
from broker.testing.pki import Authority, Issued, self_signed

Call = Callable[..., Exchange]
CA = Authority.create("Partner CA")
PARTNER = CA.issue(["partner.example", "10.1.2.3"], common_name="partner", purposes=("client",))
PLAIN = CA.issue_client("plain")
NOW = dt.datetime.now(dt.UTC)


def der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


def fault(issued: Issued, **demands: Any) -> str:
    return CertificateJudge(Demands(**demands)).fault(der(issued))


def test_what_is_demanded_holds_or_is_named() -> None:
    digest = bytes.fromhex(PARTNER.sha256)
    assert fault(PARTNER) == ""
    assert fault(PARTNER, sha256=(bytes(32), digest)) == ""
    assert fault(PARTNER, subject=read_subject("CN=partner")) == ""
    assert fault(PARTNER, san=frozenset({"other.example", "partner.example"})) == ""
    assert fault(PARTNER, san=frozenset({"10.1.2.3"})) == ""
    assert fault(PARTNER, ca=(CA.certificate,)) == ""
    assert "one of those" in fault(PLAIN, sha256=(digest,))
    assert "another subject" in fault(PLAIN, subject=read_subject("CN=partner"))
    assert "another subject" in fault(PARTNER, subject=read_subject("CN=partner,O=Contoso"))
    assert "none of the alternative names" in fault(PLAIN, san=frozenset({"partner.example"}))
    assert "another CA" in fault(PARTNER, ca=(Authority.create("Partner CA").certificate,))


def test_everything_that_is_demanded_must_hold() -> None:
    both = {"sha256": (bytes.fromhex(PARTNER.sha256),), "subject": read_subject("CN=other")}
    assert "another subject" in fault(PARTNER, **both)


def test_a_certificate_without_names_and_one_below_an_intermediate_come_from_the_ca() -> None:
    assert fault(PLAIN, ca=(CA.certificate,)) == ""
    issuing = CA.intermediate()
    below = issuing.issue_client("below")
    assert fault(below, ca=(CA.certificate, issuing.certificate)) == ""
    assert fault(below, ca=(issuing.certificate,)) == ""


def test_a_certificate_that_another_leaf_signed_comes_from_nobody() -> None:
    forged = Authority(PARTNER.certificate, PARTNER.key, PARTNER.above).issue_client("forged")
    assert "another CA" in fault(forged, ca=(CA.certificate, PARTNER.certificate))


def test_dates_count_at_each_call() -> None:
    old = CA.issue(
        (), common_name="old", purposes=("client",), not_before=NOW - dt.timedelta(9), not_after=NOW - dt.timedelta(1)
    )
    new = CA.issue(
        (), common_name="new", purposes=("client",), not_before=NOW + dt.timedelta(1), not_after=NOW + dt.timedelta(9)
    )
    assert fault(old, ca=(CA.certificate,)) == "The certificate has expired."
    assert fault(new, ca=(CA.certificate,)) == "The certificate is not valid yet."


def test_a_servers_certificate_is_no_clients() -> None:
    assert "not meant for clients" in fault(self_signed())


def test_bytes_that_are_no_certificate_prove_nothing() -> None:
    assert CertificateJudge(Demands()).fault(b"nonsense") == "The certificate cannot be read."


@pytest.mark.parametrize(
    "text", ["CN=partner", "CN=partner,O=Contoso Ltd", r"CN=a\,b", "E=a@b.example,CN=x", "CN=a+OU=b"]
)
def test_subjects_of_rfc_4514(text: str) -> None:
    assert parse_subject(text) == text


@pytest.mark.parametrize("text", ["", "partner", "CN=partner, O=Contoso", "CN = partner", "XX=1", 5, None])
def test_what_is_no_subject_is_a_fault_that_says_how(text: object) -> None:
    with pytest.raises(ValueError, match="RFC 4514"):
        parse_subject(text)


# Headers.


def pem(issued: Issued) -> str:
    return quote(issued.leaf_pem, safe="")


def test_each_format_gives_the_certificate() -> None:
    data = der(PARTNER)
    assert from_pem(pem(PARTNER).encode()) == data
    assert from_pem(quote(PARTNER.chain_pem).encode()) == data
    assert from_rfc9440(b" :" + b64encode(data) + b": ") == data
    element = f'By=spiffe://a;Hash=00;Cert="{pem(PARTNER)}";Subject="CN=a,b;c=\\"d\\"";URI='
    assert from_xfcc(element.encode()) == data


def test_of_several_elements_the_nearest_proxys_counts() -> None:
    value = f'Hash=1;Cert="{pem(PLAIN)}",By=x;Cert="{pem(PARTNER)}"'
    assert from_xfcc(value.encode()) == der(PARTNER)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("pem", b"x"),
        ("pem", b"-----BEGIN CERTIFICATE-----%0A!!%0A-----END CERTIFICATE-----"),
        ("pem", b"-----BEGIN CERTIFICATE-----%0AYQ%0A-----END CERTIFICATE-----"),
        ("pem", b"x" * 70000),
        ("rfc9440", b"::"),
        ("rfc9440", b":YQ==:, :YQ==:"),
        ("rfc9440", b":YQ==:;a=1"),
        ("rfc9440", b"YQ=="),
        ("xfcc", b""),
        ("xfcc", b"Hash=1;Subject=x"),
        ("xfcc", b'Cert="x'),
        ("xfcc", b"Cert=a;Cert=b"),
        ("xfcc", b"Cert=x,"),
        ("xfcc", b"Hash"),
    ],
)
def test_what_is_no_certificate_is_refused(kind: str, value: bytes) -> None:
    with pytest.raises(ValueError):
        PARSERS[kind](value)


@given(st.sampled_from(sorted(PARSERS)), st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(kind: str, value: bytes) -> None:
    try:
        assert isinstance(PARSERS[kind](value), bytes)
    except ValueError:
        pass


@given(st.binary(min_size=1, max_size=300), st.text(max_size=30))
def test_what_is_written_is_read_again(data: bytes, subject: str) -> None:
    text = b64encode(data).decode()
    escaped = quote(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n", safe="").encode()
    quoted = subject.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").encode()
    assert from_pem(escaped) == data
    assert from_rfc9440(b":" + text.encode() + b":") == data
    assert from_xfcc(b'Subject="' + quoted + b'";Cert="' + escaped + b'"') == data
    assert b64decode(text) == data


# The check.


def check(header: str | None = "X-Client-Cert", kind: str = "pem", **demands: Any) -> MtlsCheck:
    return MtlsCheck(CertificateJudge(Demands(**demands)), header, PARSERS[kind])


def call_of(call: Call, *lines: tuple[bytes, bytes], shown: Issued | None = None, trusted: bool = False) -> Exchange:
    exchange = call(*lines)
    side: Any = exchange.caller_side
    side.peer_certificate = der(shown) if shown is not None else None
    side.peer_trusted = trusted
    return exchange


ONLY_PARTNER = {"sha256": (bytes.fromhex(PARTNER.sha256),)}


def test_a_certificate_of_the_connection_is_taken(call: Call) -> None:
    assert check(None, **ONLY_PARTNER).judge(call_of(call, shown=PARTNER)) is ADMITTED
    other = check(None, **ONLY_PARTNER).judge(call_of(call, shown=PLAIN))
    assert (other.finding, other.challenges) == (Finding.FORBIDDEN, ())
    assert check(None).judge(call_of(call)).finding is Finding.ABSENT


def test_a_header_is_believed_from_trusted_proxies_only(call: Call) -> None:
    line = b"X-Client-Cert", pem(PARTNER).encode()
    one = check(**ONLY_PARTNER)
    assert one.judge(call_of(call, line, trusted=True)) is ADMITTED
    assert one.judge(call_of(call, line)).finding is Finding.ABSENT
    assert one.judge(call_of(call, line, shown=PLAIN)).finding is Finding.FORBIDDEN
    assert one.judge(call_of(call, line, line, trusted=True)).finding is Finding.WRONG
    assert one.judge(call_of(call, (b"X-Client-Cert", b"x"), trusted=True)).finding is Finding.WRONG


def test_the_proxys_own_certificate_is_never_its_callers(call: Call) -> None:
    assert check(**ONLY_PARTNER).judge(call_of(call, shown=PARTNER, trusted=True)).finding is Finding.ABSENT
    assert x509.load_der_x509_certificate(der(PARTNER)) == PARTNER.certificate
