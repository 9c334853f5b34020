"""Credentials whose tokens are had from somewhere: files they trust, and libraries they take."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from broker.config.checks.chains import date_problems
from broker.config.checks.pem import PemError, read_certificates
from broker.config.credentials_entra import what_to_install
from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import EntraCredentials, OAuth2Credentials
from broker.config.partial import knows


def token_credentials(draft: Draft) -> Iterator[Problem]:
    """What is not here and has to be."""
    for at, each in _credentials(draft):
        if isinstance(each, OAuth2Credentials | EntraCredentials) and each.ca is not None:
            yield from _ca(each.ca, (*at, "ca"))
        command = what_to_install() if isinstance(each, EntraCredentials) else None
        if command is not None:
            yield Problem((*at, "type"), f"entra: needs {command}")


def _credentials(draft: Draft) -> Iterator[tuple[Loc, Any]]:
    for index, route in draft.routes:
        if not knows(route, "credentials"):
            continue
        at: Loc = ("routes", index, "credentials")
        if isinstance(route.credentials, list):
            yield from (((*at, position), each) for position, each in enumerate(route.credentials))
        else:
            yield at, route.credentials


def _ca(path: Path, loc: Loc) -> Iterator[Problem]:
    try:
        certificates = read_certificates(path)
    except PemError as error:
        yield Problem(loc, str(error))
        return
    for certificate in certificates:
        yield from (warning(loc, problem.message) for problem in date_problems(certificate, loc))
