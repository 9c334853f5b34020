"""Health checks that show the client certificate of the calls: without it, a service that asks for one looks down."""

from collections.abc import Mapping

from broker.compile_credentials import Credentialed
from broker.config.model import Config
from broker.config.shown import certificates_shown, shared
from broker.upstream.send import Upstream


def show_certificates(config: Config, upstreams: Mapping[str, Upstream], ways: Mapping[str, Credentialed]) -> None:
    """Let the checks of an upstream show what all of its routes show; where these differ, they show nothing of it.

    `ways`: those of the routes with credentials.
    """
    for name, upstream in upstreams.items():
        shown = certificates_shown(config.routes, name)
        if upstream.checks is None or not shared(shown):
            continue
        for route, certificate in shown.items():
            own = ways[route].own if certificate is not None else None
            if own is not None:
                upstream.checks.tls = own.pools[0].origin.tls
