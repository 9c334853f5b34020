"""The tlslite engine and the interpreter's OpenSSL, end to end in memory."""

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

from broker.config.upstream_tls import UpstreamTls
from broker.testing.contexts import server_context
from broker.testing.pki import Authority, Issued
from broker.tls import tlslite
from broker.tls.engine import ClientTls, TlsEngine
from broker.tls.errors import TlsFailure
from broker.tls.openssl import OpenSslEngine
from broker.tls.options import Trust
from broker.tls.profiles import options_of

CA = Authority.create(key="rsa2048")
OLD_CA = Authority.create("Old CA", key="rsa1024", digest="md5")
SERVER = CA.issue(("erp.test",), key="rsa2048")
BASE = options_of(UpstreamTls(profile="obsolete"))
ANYTHING = replace(BASE, trust=Trust(verify=False))
VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2}


def context(issued: Issued = SERVER, version: str = "TLSv1.2", ciphers: str = "ALL", **how: Any) -> ssl.SSLContext:
    most = VERSIONS[version]
    return server_context(issued, minimum=most, maximum=most, ciphers=f"{ciphers}:@SECLEVEL=0", **how)


CBC = {version: context(version=version, ciphers="AES128-SHA") for version in VERSIONS}
GCM = context(ciphers="AES128-GCM-SHA256")
MAKER = tlslite.client_tls(replace(ANYTHING, session_reuse=False))


def shake(engine: TlsEngine, server: OpenSslEngine) -> None:
    done = False
    for _ in range(10):
        ready = engine.handshake()
        server.feed(engine.outgoing())
        if ready and done:
            return
        try:
            done = done or server.handshake()
        except TlsFailure:
            # Its alert says why.
            pass
        engine.feed(server.outgoing())
    raise AssertionError("the handshake does not end")


def pair(maker: ClientTls = MAKER, served: ssl.SSLContext = GCM) -> tuple[TlsEngine, OpenSslEngine]:
    engine, server = maker.engine("erp.test", "erp.test", 443), OpenSslEngine(served, server_side=True)
    shake(engine, server)
    return engine, server


def everything(engine: TlsEngine) -> bytes:
    data = b""
    while piece := engine.read():
        data += piece
    return data


def written(tmp_path: Path, issued: Authority | Issued) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(issued.ca_pem if isinstance(issued, Authority) else issued.leaf_pem)
    return path
