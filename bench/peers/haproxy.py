"""HAProxy (Debian), one thread."""

import os
import shutil

from bench.peers.setup import HEAD_SECONDS, IDLE_SECONDS, UPSTREAM_SECONDS, Command, Peer, Setup, first_line

CONFIGURATION = """
global
  nbthread 1
  maxconn 4096
  ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
  mode http
  timeout connect 5s
  timeout client {idle}s
  timeout server {upstream}s
  timeout http-request {head}s
  timeout http-keep-alive {idle}s

frontend fno
  bind 127.0.0.1:{port} ssl crt {bundle} alpn http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend backend

backend backend
  http-reuse always
  server backend 127.0.0.1:{upstream_port}
"""


def prepare(setup: Setup) -> Command:
    """Writes haproxy.cfg."""
    path = setup.directory / "haproxy.cfg"
    path.write_text(
        CONFIGURATION.format(
            port=setup.port,
            upstream_port=setup.upstream_port,
            bundle=setup.certificate.bundle,
            head=HEAD_SECONDS,
            idle=IDLE_SECONDS,
            upstream=UPSTREAM_SECONDS,
        )
    )
    return Command([_binary(), "-db", "-f", str(path)])


def _binary() -> str:
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""


PEER = Peer(
    "haproxy",
    "HAProxy",
    lambda: "" if _binary() else "apt-get install haproxy",
    lambda: first_line(_binary(), "-v").split()[2],
    prepare,
)
