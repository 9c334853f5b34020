"""The ways to reach a server of the past: an engine, a version, a suite, and the server that has them."""

from dataclasses import dataclass
from typing import Any, Final

from broker.config.upstream_tls import UpstreamTls
from broker.tls.engines import refusal_of
from broker.tls.profiles import options_of

SUITES: Final[dict[str, tuple[str, str, str]]] = {
    "aes": ("nginx", "TLSv1.0", "AES128-SHA"),
    "dhe": ("legacy", "TLSv1.0", "DHE-RSA-AES128-SHA"),
    "rc4": ("legacy", "TLSv1.0", "RC4-SHA"),
    "3des": ("legacy", "TLSv1.0", "DES-CBC3-SHA"),
    "ssl3": ("legacy", "SSLv3", "DES-CBC3-SHA"),
}
"""By short name: the server, the version, the suite."""

ENGINES: Final = {"system": "legacy", "private": "obsolete", "tlslite": "obsolete"}
"""The profile that each engine is measured with."""


@dataclass(frozen=True)
class Way:
    """One upstream of the broker. Its name is its route's, too."""

    engine: str
    suite: str

    @property
    def name(self) -> str:
        """As in `private-3des`."""
        return f"{self.engine}-{self.suite}"

    @property
    def server(self) -> str:
        """`nginx` or `legacy`."""
        return SUITES[self.suite][0]

    @property
    def label(self) -> str:
        """For tables."""
        _, version, suite = SUITES[self.suite]
        return f"{self.engine}, {version} {suite}"

    @property
    def tls(self) -> dict[str, Any]:
        """The upstream's `tls`, but for trust."""
        _, version, ciphers = SUITES[self.suite]
        versions = {"min_version": version, "max_version": version}
        return {"profile": ENGINES[self.engine], "engine": self.engine, "ciphers": ciphers, **versions}

    def refusal(self) -> str | None:
        """Why it cannot be measured here."""
        return refusal_of(self.engine, options_of(UpstreamTls(**self.tls)))


ALL: Final = (
    Way("system", "aes"),
    *(Way(engine, suite) for engine in ("private", "tlslite") for suite in SUITES),
)


def present() -> tuple[list[Way], dict[str, str]]:
    """The ways there are here, and why the others are not."""
    reasons = {way.name: way.refusal() for way in ALL}
    return [way for way in ALL if not reasons[way.name]], {name: why for name, why in reasons.items() if why}
