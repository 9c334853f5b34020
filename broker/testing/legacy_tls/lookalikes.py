"""Cases that behave as a product of its time did, in several ways at once."""

from broker.testing.legacy_tls import gnutls, identities, loopback
from broker.testing.legacy_tls.hello import SERVER_NAME, Hello
from broker.testing.legacy_tls.relay import Intolerance
from broker.testing.legacy_tls.s_server import plain, weak

_SSL3_TO_TLS10 = ("-no_tls1_1", "-no_tls1_2", "-no_tls1_3")
_WINDOWS_2003 = "RC4-MD5:RC4-SHA:DES-CBC3-SHA"
_WINDOWS_2003_SUITES = {0x0004, 0x0005, 0x000A}
_READS = 64
_OLD = identities.issued("rsa1024", "sha1")


def _sees_none(hello: Hello) -> bool:
    """Schannel of 2003 reads 64 cipher suites and knows three."""
    return _WINDOWS_2003_SUITES.isdisjoint(hello.suites[:_READS])


def _sees_none_or_a_name(hello: Hello) -> bool:
    return hello.has(SERVER_NAME) or _sees_none(hello)


CASES = (
    weak(
        "windows-2003",
        "Windows Server 2003: SSLv3 and TLS 1.0, RC4 and 3DES only, reads the first 64 suites",
        *_SSL3_TO_TLS10,
        ciphers=_WINDOWS_2003,
        identity=_OLD,
        intolerance=Intolerance(_sees_none, loopback.reset),
    ),
    weak(
        "windows-2003-sni",
        "Windows Server 2003 behind a device that hangs up on a server name",
        *_SSL3_TO_TLS10,
        ciphers=_WINDOWS_2003,
        identity=_OLD,
        tls={"profile": "obsolete", "server_name": ""},
        intolerance=Intolerance(_sees_none_or_a_name, loopback.close),
    ),
    gnutls.case(
        "windows-2003-unpatched",
        "Windows Server 2003 before MS10-049: TLS 1.0, RC4 and 3DES only, no RFC 5746, reads the first 64 suites",
        "+RSA:+VERS-TLS1.0:+ARCFOUR-128:+3DES-CBC:%DISABLE_SAFE_RENEGOTIATION",
        tls={"profile": "obsolete", "legacy_renegotiation": True},
        identity=_OLD,
        intolerance=Intolerance(_sees_none, loopback.reset),
    ),
    plain(
        "windows-2008",
        "Windows Server 2008: TLS 1.0 only, AES-CBC with RSA key exchange, SHA-1 chain",
        "-tls1",
        ciphers="AES128-SHA:AES256-SHA",
        identity=identities.issued("rsa2048", "sha1"),
    ),
)
