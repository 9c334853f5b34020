"""The servers of the past: nginx with TLS 1.0, and a program on the private OpenSSL for what nginx cannot do."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.obsolete.tools import Tools
from bench.peers.setup import first_line
from broker.testing.pki import Authority

CIPHERS = "ALL:COMPLEMENTOFALL:!aNULL:!eNULL"
_CONFIGURATION = """
{user}
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log error;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/nginx-body;
  proxy_temp_path {directory}/nginx-proxy;
  fastcgi_temp_path {directory}/nginx-fastcgi;
  uwsgi_temp_path {directory}/nginx-uwsgi;
  scgi_temp_path {directory}/nginx-scgi;
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
    path = directory / "nginx.conf"
    text = _CONFIGURATION.format(
        user="user root;" if os.geteuid() == 0 else "",
        directory=directory,
        port=port,
        chain=identity.chain,
        key=identity.key,
        answer="x" * 1024,
    )
    path.write_text(text)
    return [nginx(), "-c", path, "-p", directory, "-e", "stderr"]


def legacy_command(tools: Tools, identity: Identity, port: int) -> Sequence[str | Path]:
    """SSLv3 to TLS 1.2 with every suite, one thread for each connection."""
    return [tools.server, str(port), CIPHERS, identity.chain, identity.key]


def nginx() -> str:
    """Where it is; empty when it is missing."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""


def nginx_version() -> str:
    """`1.22.1`."""
    return first_line(nginx(), "-v").removeprefix("nginx version: nginx/")
