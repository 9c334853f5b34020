"""The servers of the past: nginx with TLS 1.0, and a program on the private OpenSSL for what nginx cannot do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import nginx
from bench.obsolete.tools import Tools
from broker.testing.pki import Authority

CIPHERS = "ALL:COMPLEMENTOFALL:!aNULL:!eNULL"
_HTTP = """
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    ssl_protocols TLSv1;
    ssl_ciphers AES128-SHA:@SECLEVEL=0;
    ssl_session_cache shared:past:2m;
    keepalive_timeout 120s;
    keepalive_requests 100000000;
    location / {{ return 200 "{answer}"; }}
  }}
"""


@dataclass(frozen=True)
class Identity:
    """The servers' certificate, RSA 2048, and what to trust for it."""

    chain: Path
    key: Path
    ca: Path


def make_identity(directory: Path) -> Identity:
    """A fresh one, signed with SHA-256."""
    authority = Authority.create("legacy bench authority", key="rsa2048")
    chain, key = authority.issue(key="rsa2048").write(directory, "legacy")
    return Identity(chain, key, authority.write_ca(directory, "legacy-ca.crt"))


def nginx_command(directory: Path, identity: Identity, port: int) -> Sequence[str | Path]:
    """nginx with TLS 1.0 and AES128-SHA only, one worker; every request gets 1,024 bytes."""
    http = _HTTP.format(port=port, chain=identity.chain, key=identity.key, answer="x" * 1024)
    return nginx.command(directory, http, connections=4096)


def legacy_command(tools: Tools, identity: Identity, port: int) -> Sequence[str | Path]:
    """SSLv3 to TLS 1.2 with every suite, one thread for each connection."""
    return [tools.server, str(port), CIPHERS, identity.chain, identity.key]
