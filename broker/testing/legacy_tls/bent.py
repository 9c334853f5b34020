"""Cases that take a server of Python, for no other can be made to behave so."""

from typing import Any

from broker.testing.legacy_tls import groups, http, identities
from broker.testing.legacy_tls.http import Reply, Request
from broker.testing.legacy_tls.tlslite_server import (
    SSL3,
    TLS10,
    Ways,
    case,
    in_tiny_records,
    without_empty_records,
)


def _settings(
    *ciphers: str,
    oldest: tuple[int, int] = TLS10,
    newest: tuple[int, int] = TLS10,
    exchange: tuple[str, ...] = ("rsa",),
) -> dict[str, Any]:
    return {
        "minVersion": oldest,
        "maxVersion": newest,
        "cipherNames": list(ciphers),
        "macNames": ["sha", "md5"],
        "keyExchangeNames": list(exchange),
    }


def _until_the_end(request: Request) -> Reply:
    return Reply(
        b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + (b"" if request.method == "HEAD" else http.BODY)
    )


_AES = _settings("aes128", "aes256")
_DHE = _settings("aes128", "3des", exchange=("dhe_rsa",))
_SMALL = identities.issued("rsa1024", "sha1")
_OF_JAVA = _settings("rc4", "aes128", "3des", oldest=SSL3, exchange=("dhe_rsa", "rsa"))

CASES = (
    case("tlslite-ssl3", "tlslite: SSLv3 only, RC4 and 3DES", Ways(_settings("rc4", "3des", oldest=SSL3, newest=SSL3))),
    case("tlslite-rc4", "tlslite: TLS 1.0 only, RC4 only", Ways(_settings("rc4"))),
    case("tlslite-3des", "tlslite: TLS 1.0 only, 3DES only", Ways(_settings("3des"))),
    # OpenSSL's server refuses groups below 1024 bits at any security level.
    case("dhe-512", "TLS 1.0, 512-bit Diffie-Hellman only", Ways({**_DHE, "dhParams": groups.DH_512})),
    case("dhe-768", "TLS 1.0, 768-bit Diffie-Hellman only", Ways({**_DHE, "dhParams": groups.DH_768})),
    case(
        "java-6",
        "Java 6: SSLv3 and TLS 1.0, 768-bit Diffie-Hellman, no elliptic curves, no RFC 5746",
        Ways({**_OF_JAVA, "dhParams": groups.DH_768}, identity=_SMALL, rfc5746=False),
        legacy_renegotiation=True,
    ),
    case(
        "renegotiation-unsafe",
        "demands a client certificate by renegotiation after the request, without RFC 5746",
        Ways(_AES, rfc5746=False, renegotiates=True),
        profile="legacy",
        legacy_renegotiation=True,
    ),
    case(
        "no-close-notify",
        "an HTTP/1.0 answer ends with the connection, which ends without close_notify",
        Ways(_AES, answer=_until_the_end, goodbye=False),
        profile="legacy",
        require_close_notify=False,
    ),
    case(
        "split-intolerant",
        "fails when the first record of a request does not hold its whole head (1/n-1 splitting)",
        Ways(_AES, whole_head=True),
    ),
    case(
        "empty-record-intolerant",
        "fails on an empty record of application data",
        Ways(_AES, bends=(without_empty_records,)),
    ),
    case(
        "records-of-16",
        "splits messages over records of 16 bytes",
        Ways(_AES, bends=(in_tiny_records,)),
        profile="legacy",
    ),
)
