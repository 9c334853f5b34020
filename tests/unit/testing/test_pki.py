"""Certificates made for tests are what their arguments say."""

import datetime as dt
import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from broker.testing.contexts import client_context, server_context
from broker.testing.pki import Authority, Issued, self_signed
from broker.testing.raw import RawClient, RawUpstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


async def _reached(identity: Issued, ca: str, **versions: object) -> bool:
    context = client_context(ca, ciphers="ALL:@SECLEVEL=0")
    async with (
        RawUpstream(OK, tls=server_context(identity)) as upstream,
        RawClient(upstream.port, context=context) as client,
    ):
        await client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return (await client.recv_response()).body == b"ok"


def test_names_become_dns_names_and_addresses(authority: Authority) -> None:
    issued = authority.issue(["broker.test", "127.0.0.1", "::1"])
    found = issued.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["broker.test"]
    assert [str(each) for each in found.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_the_chain_goes_up_to_the_root() -> None:
    root = Authority.create("Root")
    issued = root.intermediate("Issuing").issue(["a.test"])
    subjects = [each.subject.rfc4514_string() for each in x509.load_pem_x509_certificates(issued.chain_pem.encode())]
    assert subjects == ["CN=a.test", "CN=Issuing", "CN=Root"]
    assert root.intermediate().ca_pem == root.ca_pem
    assert issued.leaf_pem.count("BEGIN") == 1


async def test_a_chain_with_an_intermediate_verifies(authority: Authority) -> None:
    assert await _reached(authority.intermediate().issue(), authority.ca_pem)


async def test_a_self_signed_certificate_is_its_own_authority() -> None:
    issued = self_signed()
    assert await _reached(issued, issued.leaf_pem)


@pytest.mark.parametrize("digest", ["sha256", "sha1", "md5"])
async def test_weak_signatures_verify(digest: str) -> None:
    authority = Authority.create(key="rsa2048", digest=digest)
    issued = authority.issue(key="rsa1024", digest=digest)
    algorithm = issued.certificate.signature_hash_algorithm
    assert algorithm is not None
    assert algorithm.name == digest
    public = authority.key.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    certificate = issued.certificate
    public.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), algorithm)
    assert await _reached(issued, authority.ca_pem)


def test_weak_signatures_need_an_rsa_issuer(authority: Authority) -> None:
    with pytest.raises(ValueError, match="RSA"):
        authority.issue(digest="sha1")


def test_an_expired_certificate_began_before_it_ended(authority: Authority) -> None:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=400)
    certificate = authority.issue(not_after=past).certificate
    assert certificate.not_valid_before_utc < certificate.not_valid_after_utc == past.replace(microsecond=0)


def test_key_usage_and_purposes_can_be_overridden(authority: Authority) -> None:
    client = authority.issue_client("fno").certificate
    with pytest.raises(x509.ExtensionNotFound):
        client.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    odd = authority.issue(usage=["crl_sign"]).certificate
    usage = odd.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.crl_sign
    assert not usage.digital_signature


def test_files_are_written_with_a_private_key_nobody_else_reads(authority: Authority, tmp_path) -> None:
    issued = authority.issue()
    chain, key = issued.write(tmp_path, "server")
    issued.write(tmp_path, "server")
    assert chain.read_text() == issued.chain_pem
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert authority.write_ca(tmp_path).read_text() == authority.ca_pem


def test_the_pin_is_the_digest_of_the_certificate(authority: Authority) -> None:
    issued = authority.issue()
    assert len(issued.sha256) == 64
    assert issued.sha256 == issued.sha256.lower()
    assert "key" not in repr(issued).lower().replace("publickey", "")


async def test_a_constrained_authority_cannot_vouch_for_other_names() -> None:
    authority = Authority.create(permitted=["localhost", "127.0.0.1/32"])
    assert await _reached(authority.issue(["localhost", "127.0.0.1"]), authority.ca_pem)
    with pytest.raises(OSError, match="permitted subtree"):
        await _reached(authority.issue(["localhost", "bank.test"]), authority.ca_pem)
