"""What the figures were taken on."""

import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bench.cores import Cores
from bench.peers import Peer
from bench.peers.setup import first_line


def machine_facts(cores: Cores) -> dict[str, str]:
    """Facts in the order in which they are printed."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores{_virtual()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{_distribution()}, Linux {platform.release().split('-')[0]}",
        "OpenSSL of the system": first_line("openssl", "version").split(" ")[1],
        "cores used": f"proxy {cores.proxy}, load generator {cores.generator}, upstream {cores.upstream}",
    }


def versions(peers: Sequence[Peer]) -> dict[str, str]:
    """By the label of the peer."""
    return {peer.label: peer.version() for peer in peers}


def _cpu_model() -> str:
    return _field(Path("/proc/cpuinfo"), "model name", ":") or platform.machine()


def _virtual() -> str:
    flags = _field(Path("/proc/cpuinfo"), "flags", ":")
    return " of a virtual machine" if "hypervisor" in flags.split() else ""


def _distribution() -> str:
    return _field(Path("/etc/os-release"), "PRETTY_NAME", "=").strip('"') or platform.system()


def _field(path: Path, name: str, separator: str) -> str:
    if not path.exists():
        return ""
    for line in path.read_text().splitlines():
        key, _, value = line.partition(separator)
        if key.strip() == name:
            return value.strip()
    return ""
