"""Client certificates that come as bytes."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    NoEncryption,
    load_pem_private_key,
    pkcs12,
)

from broker.testing.pki import Authority, Issued
from broker.tls.identity import IdentityError, identity_files

CA = Authority.create()
CLIENT = CA.issue_client("partner")
OTHER = CA.issue_client("other")


def pfx(issued: Issued, passphrase: bytes | None) -> bytes:
    key = load_pem_private_key(issued.key_pem.encode(), None)
    locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"c", key, issued.certificate, list(issued.above), locked)  # type: ignore[arg-type]


def pem(issued: Issued) -> bytes:
    return issued.chain_pem.encode() + issued.key_pem.encode()


@pytest.mark.parametrize(
    ("certificate", "key", "passphrase"),
    [
        (pem(CLIENT), None, None),
        (CLIENT.chain_pem.encode(), CLIENT.key_pem.encode(), None),
        (pfx(CLIENT, None), None, None),
        (pfx(CLIENT, b"open sesame"), None, b"open sesame"),
        (b64encode(pfx(CLIENT, b"open sesame")), None, b"open sesame"),
    ],
    ids=["pem", "pem-and-key", "pfx", "locked-pfx", "base64"],
)
def test_a_certificate_becomes_files_for_a_while(
    certificate: bytes, key: bytes | None, passphrase: bytes | None
) -> None:
    with identity_files(certificate, key, passphrase) as identity:
        assert identity.chain.read_text() == CLIENT.chain_pem
        assert "BEGIN PRIVATE KEY" in identity.key.read_text()
        paths = identity.chain, identity.key
    assert not any(path.exists() for path in paths)


@pytest.mark.parametrize(
    ("certificate", "key", "passphrase", "words"),
    [
        (pfx(CLIENT, b"open sesame"), None, b"wrong", "passphrase is wrong"),
        (pfx(CLIENT, b"open sesame"), None, None, "needs a `passphrase`"),
        (b"\x00\x01garbage", None, None, "neither PKCS#12 nor PEM"),
        (CLIENT.chain_pem.encode(), None, None, "private key is missing"),
        (CLIENT.chain_pem.encode(), OTHER.key_pem.encode(), None, "another certificate"),
        (CLIENT.chain_pem.encode(), CLIENT.key_pem.encode(), b"x", "is not encrypted"),
        (pem(CA.issue_client("old", not_after=datetime(2020, 1, 1, tzinfo=UTC))), None, None, "expired on 2020-01-01"),
    ],
)
def test_what_cannot_be_shown_is_told(
    certificate: bytes, key: bytes | None, passphrase: bytes | None, words: str
) -> None:
    with pytest.raises(IdentityError, match=words), identity_files(certificate, key, passphrase):
        pass


def test_a_last_byte_that_was_taken_for_a_line_end_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, really = pfx(CLIENT, None), pkcs12.load_key_and_certificates

    def only_with_its_end(data: bytes, passphrase: bytes | None) -> object:
        if not data.endswith(b"\n"):
            raise ValueError
        return really(data[:-1], passphrase)

    monkeypatch.setattr(pkcs12, "load_key_and_certificates", only_with_its_end)
    with identity_files(whole, None, None) as identity:
        assert identity.chain.read_text() == CLIENT.chain_pem
