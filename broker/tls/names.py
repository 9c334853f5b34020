"""Whether a certificate is for a host, where OpenSSL cannot say: it ties that check to the SNI it sends."""

import ipaddress

from cryptography import x509
from cryptography.x509.oid import NameOID

from broker.tls.errors import TlsFailure

_HOSTNAME_MISMATCH = 62
_ADDRESS_MISMATCH = 64


def check_name(certificate: bytes | None, host: str, *, common_name: bool) -> None:
    """Compare a DER certificate's names with a host (RFC 9525 section 6); raises `TlsFailure` when none matches.

    A host name matches a DNS name, where `*` stands for the whole first label; an address matches an IP address.
    `common_name` lets a certificate without any DNS name match by its subject, as before RFC 6125.
    """
    address = _address(host)
    if certificate is not None and _matches(certificate, host, address, common_name=common_name):
        return
    code = _HOSTNAME_MISMATCH if address is None else _ADDRESS_MISMATCH
    raise TlsFailure("CERTIFICATE_VERIFY_FAILED", "the certificate is for another host", code)


def _matches(certificate: bytes, host: str, address: "_Address | None", *, common_name: bool) -> bool:
    try:
        leaf = x509.load_der_x509_certificate(certificate)
        dns, addresses = _alternative_names(leaf)
        subjects = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except ValueError:
        return False
    if address is not None:
        return address in addresses
    if common_name and not dns:
        dns = subjects
    return any(matches(name, host) for name in dns)


def matches(pattern: str, host: str) -> bool:
    """Whether a certificate's DNS name covers a host: exactly, or by `*` for its whole first label."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if not pattern.startswith("*."):
        return pattern == host
    first, _, rest = host.partition(".")
    # `*.com` would stand for every site of a top-level domain.
    return bool(first) and "." in rest and rest == pattern[2:]


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _alternative_names(leaf: x509.Certificate) -> tuple[list[str], list[object]]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], []
    return names.get_values_for_type(x509.DNSName), list(names.get_values_for_type(x509.IPAddress))


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
