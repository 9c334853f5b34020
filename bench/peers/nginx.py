"""nginx (Debian), one worker. Bodies stream, as they do in every other peer: nothing is spooled to disk."""

import os
import shutil

from bench.peers.setup import HEAD_SECONDS, IDLE_SECONDS, UPSTREAM_SECONDS, Command, Peer, Setup, first_line

CONFIGURATION = """
{user}
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log error;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {directory}/nginx-body;
  proxy_temp_path {directory}/nginx-proxy;
  fastcgi_temp_path {directory}/nginx-fastcgi;
  uwsgi_temp_path {directory}/nginx-uwsgi;
  scgi_temp_path {directory}/nginx-scgi;
  upstream backend {{
    server 127.0.0.1:{upstream_port};
    keepalive 128;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    server_name localhost;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache none;
    keepalive_timeout {idle}s;
    keepalive_requests 100000000;
    client_header_timeout {head}s;
    client_body_timeout 30s;
    client_max_body_size 0;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_connect_timeout 5s;
      proxy_read_timeout {upstream}s;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }}
  }}
}}
"""


def prepare(setup: Setup) -> Command:
    """Writes nginx.conf."""
    path = setup.directory / "nginx.conf"
    path.write_text(
        CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",
            directory=setup.directory,
            port=setup.port,
            upstream_port=setup.upstream_port,
            chain=setup.certificate.chain,
            key=setup.certificate.key,
            head=HEAD_SECONDS,
            idle=IDLE_SECONDS,
            upstream=UPSTREAM_SECONDS,
        )
    )
    return Command([_binary(), "-c", str(path), "-p", str(setup.directory), "-e", "stderr"])


def _binary() -> str:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""


PEER = Peer(
    "nginx",
    "nginx",
    lambda: "" if _binary() else "apt-get install nginx-light",
    lambda: first_line(_binary(), "-v").removeprefix("nginx version: nginx/"),
    prepare,
)
