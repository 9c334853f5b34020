"""The plain aiohttp proxy of `bench.peers.aiohttp_proxy`: what one would write first."""

import sys
from importlib.metadata import version

from bench.peers.setup import Command, Peer, Setup


def prepare(setup: Setup) -> Command:
    """Nothing to write: it takes arguments."""
    certificate = setup.certificate
    words = [str(setup.port), str(setup.upstream_port), str(certificate.chain), str(certificate.key)]
    return Command([sys.executable, "-m", "bench.peers.aiohttp_proxy", *words])


PEER = Peer(
    "aiohttp", "aiohttp proxy", lambda: "", lambda: f"{version('aiohttp')}, uvloop {version('uvloop')}", prepare
)
