"""The client certificates that the calls of an upstream show, each with its route."""

from collections.abc import Iterable

from broker.config.credentials import ClientCertificateCredentials
from broker.config.routes import Route

Shown = dict[str, ClientCertificateCredentials | None]
"""By the name of the route; None for one whose credentials show none."""


def certificates_shown(routes: Iterable[Route], upstream: str) -> Shown:
    """What the routes of an upstream show."""
    return {route.name: _certificate_of(route) for route in routes if route.upstream == upstream}


def shared(shown: Shown) -> bool:
    """Whether all of these show the same certificate, or none does."""
    each = list(shown.values())
    return all(one == each[0] for one in each)


def _certificate_of(route: Route) -> ClientCertificateCredentials | None:
    credentials = route.credentials if isinstance(route.credentials, list) else [route.credentials]
    return next((each for each in credentials if isinstance(each, ClientCertificateCredentials)), None)
