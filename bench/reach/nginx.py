"""nginx towards a legacy server. The server is listed twice, so that a failed handshake is tried again."""

from bench import nginx
from bench.peers.setup import Command
from bench.reach import openssl
from bench.reach.proxy import Proxy
from bench.reach.wish import Wish

_HTTP = """
  upstream legacy {{
    server {address} max_fails=0;
    server {address} max_fails=0;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass https://legacy;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_connect_timeout 4s;
      proxy_read_timeout 4s;
      proxy_next_upstream error timeout invalid_header;
      proxy_ssl_verify off;
      proxy_ssl_protocols {protocols};
      proxy_ssl_ciphers {ciphers};
      proxy_ssl_conf_command Options {options};
      {name}
      {identity}
    }}
  }}
"""


def prepare(wish: Wish) -> Command:
    """Writes nginx.conf."""
    identity = "proxy_ssl_certificate {}; proxy_ssl_certificate_key {};"
    http = _HTTP.format(
        address=wish.address,
        port=wish.listen,
        protocols=" ".join(wish.versions).replace("TLSv1.0", "TLSv1"),
        ciphers=openssl.ciphers(wish),
        options=openssl.options(wish),
        name=f"proxy_ssl_server_name on; proxy_ssl_name {wish.name};" if wish.name else "",
        identity=identity.format(*wish.identity) if wish.identity else "",
    )
    return Command(nginx.command(wish.directory, http, connections=64), openssl.environment(wish))


PROXY = Proxy(
    "nginx",
    "nginx",
    nginx.missing,
    nginx.version,
    prepare,
    "`proxy_ssl_protocols` from SSLv3, `proxy_ssl_ciphers ALL:COMPLEMENTOFALL:@SECLEVEL=0`, `proxy_ssl_conf_command` "
    "for RFC 5746 and extensions, the server listed twice",
)
