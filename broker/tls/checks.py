"""What `check` says of TLS settings that are right on paper: whether an engine is here that can honour them."""

from collections.abc import Iterator

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem
from broker.config.model import Upstream
from broker.config.partial import rule
from broker.tls.engines import EngineError, client_tls
from broker.tls.profiles import options_of


def engine_settings(draft: Draft) -> Iterator[Problem]:
    """Upstreams that no present engine can reach as they are written, with what to install or to change."""
    for name, upstream in draft.upstreams.items():
        yield from _engine(upstream, ("upstreams", name, "tls"))


@rule
def _engine(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if upstream.tls is None or upstream.targets[0].scheme != "https":
        return
    try:
        client_tls(options_of(upstream.tls), upstream.tls.engine)
    except EngineError as error:
        # Files have checks of their own, which say more.
        if error.key not in ("ca", "client_certificate"):
            yield Problem((*at, error.key), str(error))
