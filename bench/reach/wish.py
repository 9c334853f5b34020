"""How a proxy is to speak to one server: as weak as it can, or with what is known of the server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from broker.testing.legacy_tls import Served
from broker.tls.profiles import OBSOLETE_CIPHERS, SHORT_CIPHERS

NAME = "localhost"
EVERY_CIPHER = "ALL:COMPLEMENTOFALL"
VERSIONS = ("SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_MOST = {"full": "TLSv1.3", "short": "TLSv1.2", "bare": "TLSv1.0"}


@dataclass(frozen=True)
class Wish:
    """What every proxy is told, each in its own words. Certificates are not verified."""

    directory: Path
    listen: int
    host: str
    port: int
    identity: tuple[str, str] | None
    """Certificate and key of the client, PEM."""
    name: str | None = NAME
    """What to send as SNI."""
    most: str = "TLSv1.3"
    ciphers: str = EVERY_CIPHER
    plain: bool = False
    """Whether to leave optional extensions out."""

    @property
    def address(self) -> str:
        """HOST:PORT of the server."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def versions(self) -> tuple[str, ...]:
        """All versions up to the newest."""
        return VERSIONS[: VERSIONS.index(self.most) + 1]


def wishes(served: Served, directory: Path) -> Iterator[Wish]:
    """First everything a proxy has, then what the broker's settings say of this server, where that differs."""
    shown: Mapping[str, str] | None = served.tls.get("client_certificate")
    identity = (shown["chain"], shown["key"]) if shown else None
    weakest = Wish(directory, 0, served.host, served.port, identity)
    yield weakest
    tuned = _tuned(weakest, served.tls)
    if tuned != weakest:
        yield tuned


def _tuned(wish: Wish, tls: Mapping[str, Any]) -> Wish:
    hello = tls.get("hello", "full")
    bundled = OBSOLETE_CIPHERS if tls.get("profile") == "obsolete" else EVERY_CIPHER
    return replace(
        wish,
        name=None if hello != "full" or tls.get("server_name") == "" else NAME,
        most=tls.get("max_version", _MOST[hello]),
        ciphers=tls.get("ciphers", bundled if hello == "full" else SHORT_CIPHERS),
        plain=hello != "full",
    )
