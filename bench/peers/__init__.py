"""The proxies that are compared, each with a configuration of equal duties, written for one run."""

from bench.peers import aiohttp, broker, caddy, envoy, haproxy, nginx
from bench.peers.setup import Command, Peer, Setup

PEERS: dict[str, Peer] = {
    peer.name: peer for peer in (broker.PEER, nginx.PEER, haproxy.PEER, envoy.PEER, caddy.PEER, aiohttp.PEER)
}
"""All peers by name, in the order of a round."""

__all__ = ["PEERS", "Command", "Peer", "Setup"]
