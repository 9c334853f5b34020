"""Host names and ports as the file writes them."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_HOST_PORT: Final = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]{1,5}))?\Z", re.ASCII)


def parse_host(text: str) -> str:
    """The host in lower case, IPv6 without brackets; raises `ValueError` for anything else."""
    if text.startswith("["):
        return _ipv6(text[1:-1] if text.endswith("]") else "")
    if not _NAME.match(text) or len(text) > 253:
        raise ValueError("expected a host name or an IP address (IPv6 in brackets, international names as xn--)")
    if text.rpartition(".")[2].isdigit():
        return _ipv4(text)
    return text.lower()


def split_host_port(text: str) -> tuple[str, int | None]:
    """(host, port or None) of `HOST`, `HOST:PORT` or `[IPv6]:PORT`; raises `ValueError`."""
    parts = _HOST_PORT.match(text)
    if parts is None:
        raise ValueError("expected HOST:PORT, an IPv6 address in brackets")
    port = None if parts[2] is None else int(parts[2])
    if port is not None and port > 65535:
        raise ValueError("expected a port up to 65535")
    return parse_host(parts[1]), port


def bracketed(host: str) -> str:
    """The host as a URL or a Host header writes it."""
    return f"[{host}]" if ":" in host else host


def _ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        raise ValueError("a host that ends in a number must be an IPv4 address") from None


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise ValueError("expected an IPv6 address in the brackets") from None
    if address.scope_id is not None:
        raise ValueError("IPv6 zone identifiers are not supported")
    return str(address)
