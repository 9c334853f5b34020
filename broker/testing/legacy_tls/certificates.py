"""Cases of weak certificates, keys and Diffie-Hellman groups, and of ciphers without any."""

from broker.testing.legacy_tls import groups, identities
from broker.testing.legacy_tls.s_server import plain, weak

_OBSOLETE = {"profile": "obsolete"}


CASES = (
    plain("md5-signed", "certificate signed with MD5", identity=identities.issued("rsa1024", "md5")),
    plain("sha1-chain", "whole chain signed with SHA-1", "-tls1", identity=identities.issued("rsa2048", "sha1")),
    plain("rsa-512", "512-bit RSA key", "-tls1", identity=identities.issued("rsa512", "sha1"), tls=_OBSOLETE),
    plain("rsa-1024", "1024-bit RSA key", "-tls1", identity=identities.issued("rsa1024", "sha1")),
    weak(
        "dhe-1024",
        "TLS 1.0, 1024-bit Diffie-Hellman only",
        "-tls1",
        "-dhparam",
        "dh.pem",
        ciphers="DHE-RSA-AES128-SHA",
        files={"dh.pem": groups.DH_1024},
    ),
    weak(
        "dsa-certificate",
        "DSA key, so DHE-DSS only",
        "-tls1",
        "-dhparam",
        "dh.pem",
        ciphers="DHE-DSS-AES128-SHA:DHE-DSS-DES-CBC3-SHA",
        identity=identities.issued("dsa1024", "sha1"),
        files={"dh.pem": groups.DH_1024},
    ),
    plain("expired-2011", "self-signed certificate that expired in 2011", "-tls1", identity=identities.expired),
    weak(
        "anonymous-dh",
        "no certificate at all: anonymous Diffie-Hellman",
        "-tls1",
        "-dhparam",
        "dh.pem",
        ciphers="ADH-AES128-SHA",
        identity=None,
        files={"dh.pem": groups.DH_1024},
        tls={"profile": "obsolete", "ciphers": "ADH-AES128-SHA"},
    ),
    weak(
        "null-cipher",
        "NULL-SHA: signed, not encrypted",
        "-tls1",
        ciphers="NULL-SHA",
        tls={"profile": "obsolete", "ciphers": "NULL-SHA"},
    ),
)
