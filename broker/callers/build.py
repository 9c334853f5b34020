"""From configured callers to their checks."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from broker.callers.all_of import AllOfCheck
from broker.callers.api_key import ApiKeyCheck, QueryKeyCheck
from broker.callers.basic import BasicCheck
from broker.callers.build_entra import build_entra
from broker.callers.cert_header import PARSERS
from broker.callers.certificate import CertificateJudge, Demands, read_authorities
from broker.callers.hmac_body import HmacCheck
from broker.callers.ip import IpCheck
from broker.callers.mtls import MtlsCheck
from broker.callers.secrets import Held, current
from broker.callers.signatures import SignatureForm
from broker.callers.slowing import Slowing, SlowingSettings
from broker.callers.verdict import CallerCheck
from broker.config.callers_mtls import read_subject
from broker.config.listeners import FailedCallers
from broker.config.model import (
    AllOfCaller,
    ApiKeyCaller,
    BasicCaller,
    EntraJwtCaller,
    HmacCaller,
    IpCaller,
    MtlsCaller,
)
from broker.config.secret_ref import SecretRef
from broker.core.ports import Reference
from broker.core.secret import Secret, SecretPending, SecretUnavailable
from broker.policy.held_bodies import HeldBodies

Hold = Callable[[Reference], Held]
"""Where the secret of a reference comes from; raises `SecretUnavailable`."""


def build_callers(
    callers: Mapping[str, Any],
    hold: Hold,
    failed: Callable[[str, str], None],
    before: Mapping[str, CallerCheck] | None = None,
    budget: HeldBodies | None = None,
) -> dict[str, CallerCheck]:
    """The checks of all callers by name, but for those that `failed` is told of: name and reason.

    `before`: checks that need not be built, because they go on. `budget`: for the bodies that checks hold back.
    """
    found: dict[str, CallerCheck] = dict(before or {})
    # Those that are made of others come behind them.
    for name, caller in sorted(callers.items(), key=lambda entry: isinstance(entry[1], AllOfCaller)):
        if name in found:
            continue
        try:
            if not isinstance(caller, AllOfCaller):
                found[name] = check = build_caller(name, caller, hold)
                if isinstance(check, HmacCheck):
                    check.bodies.budget = budget
            elif all(part in found for part in caller.of):
                found[name] = AllOfCheck([found[part] for part in caller.of])
        except (SecretUnavailable, OSError, ssl.SSLError, ValueError) as error:
            failed(name, str(error))
    return found


def build_caller(name: str, caller: Any, hold: Hold) -> CallerCheck:
    """The check for one caller; raises `SecretUnavailable`, or `OSError` and `ValueError` for a file of it."""
    check: CallerCheck = _BUILDERS[type(caller)](name, caller, hold)
    return check


def build_slowing(settings: FailedCallers) -> Slowing:
    """What a listener does about callers that keep failing."""
    return Slowing(SlowingSettings(settings.after, settings.delay, settings.most, settings.forget, settings.addresses))


def _api_key(_: str, caller: ApiKeyCaller, hold: Hold) -> CallerCheck:
    keys = [hold(reference) for reference in caller.references]
    if caller.query is not None:
        return QueryKeyCheck(caller.query, keys)
    return ApiKeyCheck(caller.field, keys)


def _basic(_: str, caller: BasicCaller, hold: Hold) -> CallerCheck:
    username = caller.username
    name: Held = hold(username) if isinstance(username, SecretRef) else Secret(username.encode())
    try:
        colon = b":" in current(name)
    except SecretPending:
        colon = False
    if colon:
        raise SecretUnavailable(f"{username}: a user name holds no colon (RFC 7617)")
    return BasicCheck(name, hold(caller.password))


def _mtls(_: str, caller: MtlsCaller, __: Hold) -> CallerCheck:
    demands = Demands(
        sha256=tuple(map(bytes.fromhex, caller.sha256)),
        subject=read_subject(caller.subject) if caller.subject is not None else None,
        san=frozenset([*caller.san, *(name.lower() for name in caller.san)]),
        ca=read_authorities(caller.ca) if caller.ca is not None else (),
    )
    return MtlsCheck(CertificateJudge(demands), caller.trusted_header, PARSERS[caller.trusted_format])


def _hmac(_: str, caller: HmacCaller, hold: Hold) -> CallerCheck:
    form = SignatureForm(
        caller.header.lower().encode(),
        caller.signed,
        caller.timestamp_header.lower().encode(),
        caller.encoding,
        caller.prefix.encode(),
    )
    return HmacCheck(form, hold(caller.secret), window=caller.window, once=caller.once, max_body=caller.max_body)


def _entra(name: str, caller: EntraJwtCaller, _: Hold) -> CallerCheck:
    return build_entra(name, caller)


def _ip(_: str, caller: IpCaller, __: Hold) -> CallerCheck:
    return IpCheck(caller.allow)


_BUILDERS: dict[type, Callable[..., CallerCheck]] = {
    ApiKeyCaller: _api_key,
    BasicCaller: _basic,
    MtlsCaller: _mtls,
    EntraJwtCaller: _entra,
    HmacCaller: _hmac,
    IpCaller: _ip,
}
"""Add a kind of caller: write its check, and name its builder here."""
