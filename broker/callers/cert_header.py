"""Certificates that a balancer hands on in a header, after it ended TLS: three ways to write them.

Each parser gives the DER of the caller's certificate, or raises `ValueError`.
"""

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_to_bytes

MOST: Final = 64 * 1024
"""Bytes of a certificate that are looked at; real ones have two or three thousand."""

_PEM: Final = re.compile(rb"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_XFCC_ELEMENT: Final = re.compile(rb'(?:"(?:[^"\\]|\\.)*"|[^",])+')
_XFCC_PAIR: Final = re.compile(rb'[ \t]*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^";]*)[ \t]*(?:;|\Z)')


def from_pem(value: bytes) -> bytes:
    """URL-encoded PEM, as nginx writes `$ssl_client_escaped_cert`; of several certificates the first."""
    match = _PEM.match(unquote_to_bytes(_bounded(value)))
    if match is None:
        raise ValueError("no URL-encoded PEM certificate")
    return b64decode(re.sub(rb"\s", b"", match[1]), validate=True)


def from_rfc9440(value: bytes) -> bytes:
    """`Client-Cert`: a byte sequence of structured fields, Base64 of the DER between colons (RFC 9440 section 2)."""
    text = _bounded(value).strip(b" \t")
    if len(text) < 3 or text[:1] != b":" or text[-1:] != b":":
        raise ValueError("no byte sequence between colons")
    return b64decode(text[1:-1], validate=True)


def from_xfcc(value: bytes) -> bytes:
    """The `Cert` of Envoy's `X-Forwarded-Client-Cert`; of several elements the last, which the nearest proxy wrote."""
    text = _bounded(value)
    elements = _XFCC_ELEMENT.findall(text)
    if not elements or b",".join(elements) != text:
        raise ValueError("no elements of X-Forwarded-Client-Cert")
    certificates = [found for key, found in _pairs(elements[-1]) if key.lower() == b"cert"]
    if len(certificates) != 1:
        raise ValueError("no Cert in X-Forwarded-Client-Cert")
    return from_pem(certificates[0])


def _pairs(element: bytes) -> list[tuple[bytes, bytes]]:
    pairs, at = [], 0
    while at < len(element):
        match = _XFCC_PAIR.match(element, at)
        if match is None:
            raise ValueError("malformed element of X-Forwarded-Client-Cert")
        pairs.append((match[1], _unquoted(match[2])))
        at = match.end()
    return pairs


def _unquoted(value: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", value[1:-1]) if value[:1] == b'"' else value


def _bounded(value: bytes) -> bytes:
    if len(value) > MOST:
        raise ValueError("too long for a certificate")
    return value


PARSERS: Final[dict[str, Callable[[bytes], bytes]]] = {"pem": from_pem, "rfc9440": from_rfc9440, "xfcc": from_xfcc}
"""By the name of the format in routes.yaml."""
