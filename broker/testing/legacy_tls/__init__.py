"""Legacy TLS servers on loopback, one case for each behaviour of the past that is still met."""

from broker.testing.legacy_tls import (
    bent,
    certificates,
    gnutls,
    https,
    intolerant,
    lookalikes,
    nss,
    oddities,
    sessions,
    versions,
)
from broker.testing.legacy_tls.case import Case, Served

_MODULES = (versions, certificates, lookalikes, intolerant, sessions, nss, gnutls, bent, https, oddities)
CASES: dict[str, Case] = {case.name: case for module in _MODULES for case in module.CASES}

__all__ = ["CASES", "Case", "Served"]
