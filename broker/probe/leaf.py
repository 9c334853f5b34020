"""The certificate of a server that encrypts it (TLS 1.3), or that only an engine gets to: read, and not believed."""

from broker.compile_upstream import upstream_tls
from broker.probe import chain
from broker.probe.call import configured
from broker.probe.candidate import Candidate, Setting
from broker.probe.ladder import rungs
from broker.probe.search import Search
from broker.probe.tap import tapped
from broker.probe.wire import Place
from broker.tls.engines import EngineError
from broker.upstream.origin import Origin

_MOST = 4
_UNSAFE = Setting("unsafe_skip_verify", "true", weak=True)


async def find_leaf(search: Search, place: Place) -> None:
    """Shake hands without a check, send nothing, and note the certificate. Raises `BudgetSpent`."""
    findings, address = search.findings, search.request.address
    for rung in list(dict.fromkeys(rungs(findings)))[:_MOST]:
        candidate = Candidate(address.target("https")).with_tls(*rung, _UNSAFE)
        try:
            tls = upstream_tls(configured(candidate, search.request.today))
            origin = Origin(address.host, address.port, address.authority.encode(), tls)
            async with tapped(place, origin, search.budget) as tap:
                der = tap.engine.peer_certificate() if tap.engine is not None else None
        except (EngineError, ValueError, OSError, TimeoutError):
            continue
        if der is not None:
            findings.leaf = der
            findings.certificate = chain.describe((der,), address.host, whole=False)
        return
