"""What is probed: the URL as people write it, with an international name or an IPv6 address."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from broker.config.hosts import bracketed, parse_host

_PORTS: Final = {"http": 80, "https": 443}
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the endpoint is said to be."""

    scheme: Literal["http", "https"]
    host: str
    """A name in ASCII (international ones as `xn--`), or an address; IPv6 without brackets."""
    port: int
    path: str
    """What is asked for: path and query, percent-encoded."""
    written: str
    """The host as it was written."""

    @property
    def is_name(self) -> bool:
        """Whether the host is a name: only those are sent as SNI (RFC 6066 section 3)."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False

    @property
    def authority(self) -> str:
        """Host and port, the port left out where it is the scheme's."""
        host = bracketed(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def target(self, scheme: str | None = None) -> str:
        """The target for routes.yaml."""
        wanted = scheme or self.scheme
        host = bracketed(self.host)
        return f"{wanted}://{host}" if self.port == _PORTS[wanted] else f"{wanted}://{host}:{self.port}"


def parse_address(url: str, path: str | None = None) -> Address:
    """The address of a URL; without a scheme it is https. Raises `ValueError` with a sentence."""
    try:
        parts = urlsplit(url.strip() if _SCHEME.match(url.strip()) else f"https://{url.strip()}")
        port = parts.port
    except ValueError:
        raise ValueError("expected a URL such as https://10.0.0.12:8443/Service.asmx") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("expected an https:// or http:// URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL with a user name or password in it; give a header with -H instead")
    if port == 0:
        raise ValueError("expected a port from 1 to 65535")
    if not parts.hostname:
        raise ValueError("the URL names no host")
    host = _host(parts.hostname, bracketed_form="[" in parts.netloc)
    scheme: Literal["http", "https"] = "http" if parts.scheme == "http" else "https"
    wanted = path if path is not None else parts.path + (f"?{parts.query}" if parts.query else "")
    return Address(scheme, host, port or _PORTS[scheme], _path(wanted), parts.hostname)


def _host(host: str, *, bracketed_form: bool) -> str:
    if bracketed_form:
        return parse_host(f"[{host}]")
    try:
        ascii_form = host.encode("ascii").decode()
    except UnicodeEncodeError:
        ascii_form = _international(host)
    return parse_host(ascii_form)


def _international(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        raise ValueError("the host is no name that DNS can hold") from None


def _path(path: str) -> str:
    if any(ord(char) <= 32 or ord(char) == 127 for char in path):
        path = quote(path, safe="/?&=%+:;,@!$'()*~-._")
    wanted = quote(path, safe="".join(map(chr, range(33, 127))))
    return wanted if wanted.startswith("/") else f"/{wanted}"
