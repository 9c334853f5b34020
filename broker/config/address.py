"""Where the broker listens, and where it calls."""

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self, cast

from broker.config.base import TextValue
from broker.config.hosts import bracketed, split_host_port

_DEFAULT_PORT: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(r"(https?)://([^/?#]+)/?\Z", re.IGNORECASE)


@dataclass(frozen=True)
class BindAddress(TextValue):
    """An address to listen on; port 0 lets the system choose."""

    host: str
    """A name or an address, IPv6 without brackets."""
    port: int

    PATTERN: ClassVar[str] = r"^(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):[0-9]{1,5}$"
    EXPECTED: ClassVar[str] = "HOST:PORT such as 0.0.0.0:8443"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The address of `HOST:PORT` or `[IPv6]:PORT`; raises `ValueError`."""
        host, port = split_host_port(text)
        if port is None:
            raise ValueError(f"expected {cls.EXPECTED}: the port is missing")
        return cls(host, port)

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True)
class Target(TextValue):
    """One endpoint of an upstream."""

    scheme: Literal["http", "https"]
    host: str
    """A name or an address in lower case, IPv6 without brackets."""
    port: int

    PATTERN: ClassVar[str] = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+/?$"
    EXPECTED: ClassVar[str] = "a URL such as https://10.0.0.12:8443"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The target of an http or https URL without user, path and query; raises `ValueError`."""
        if "@" in text:
            raise ValueError("a URL with a user name or password in it; write `credentials` in the route instead")
        parts = _URL.match(text)
        if parts is None:
            raise ValueError(f"expected {cls.EXPECTED}, without path or query; a path belongs in the route")
        scheme = cast('Literal["http", "https"]', parts[1].lower())
        host, port = split_host_port(parts[2])
        if port == 0:
            raise ValueError("expected a port from 1 to 65535")
        return cls(scheme, host, port or _DEFAULT_PORT[scheme])

    @property
    def authority(self) -> str:
        """What a Host header says: the port is left out when it is the default of the scheme."""
        host = bracketed(self.host)
        return host if self.port == _DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"
