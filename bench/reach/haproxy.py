"""HAProxy towards a legacy server. A failed handshake is tried again, three times."""

from pathlib import Path

from bench.peers import haproxy
from bench.peers.setup import Command
from bench.reach import openssl
from bench.reach.proxy import Proxy
from bench.reach.wish import Wish

_CONFIGURATION = """
global
  nbthread 1
  maxconn 64

defaults
  mode http
  timeout connect 4s
  timeout client 5s
  timeout server 4s
  retries 3
  retry-on all-retryable-errors

frontend callers
  bind 127.0.0.1:{port}
  default_backend legacy

backend legacy
  server legacy {address} ssl verify none ssl-min-ver SSLv3 ssl-max-ver {most} ciphers {ciphers} {more}
"""


def prepare(wish: Wish) -> Command:
    """Writes haproxy.cfg."""
    more = []
    if wish.name:
        more.append(f"sni str({wish.name})")
    if wish.plain:
        more.append("no-tls-tickets")
    if wish.identity:
        bundle = wish.directory / "haproxy-client.pem"
        bundle.write_text("".join(Path(part).read_text() for part in wish.identity))
        more.append(f"crt {bundle}")
    path = wish.directory / "haproxy.cfg"
    path.write_text(
        _CONFIGURATION.format(
            port=wish.listen,
            address=wish.address.replace("[", "").replace("]", ""),
            most=wish.most,
            ciphers=openssl.ciphers(wish),
            more=" ".join(more),
        )
    )
    return Command([haproxy._binary(), "-db", "-f", str(path)], openssl.environment(wish))


PROXY = Proxy(
    "haproxy",
    "HAProxy",
    haproxy.PEER.missing,
    haproxy.PEER.version,
    prepare,
    "`ssl verify none ssl-min-ver SSLv3 ciphers ALL:COMPLEMENTOFALL:@SECLEVEL=0`, `no-tls-tickets`, "
    "`retry-on all-retryable-errors`",
)
