"""nginx (Debian), one worker. Bodies stream, as they do in every other peer: nothing is spooled to disk."""

from bench import nginx
from bench.peers.setup import HEAD_SECONDS, STALL_SECONDS, UPSTREAM_SECONDS, Command, Peer, Setup

_HTTP = """
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
    client_body_timeout {stall}s;
    send_timeout {stall}s;
    reset_timedout_connection on;
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
"""


def prepare(setup: Setup) -> Command:
    """Writes nginx.conf."""
    http = _HTTP.format(
        port=setup.port,
        upstream_port=setup.upstream_port,
        chain=setup.certificate.chain,
        key=setup.certificate.key,
        head=HEAD_SECONDS,
        stall=STALL_SECONDS,
        idle=setup.idle_seconds,
        upstream=UPSTREAM_SECONDS,
    )
    return Command(nginx.command(setup.directory, http, setup.connections))


PEER = Peer("nginx", "nginx", nginx.missing, nginx.version, prepare)
