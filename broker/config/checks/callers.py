"""Callers: what the settings of each mean together, and what they are made of."""

from collections.abc import Iterator
from typing import Any

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, did_you_mean, warning
from broker.config.model import AllOfCaller, ApiKeyCaller, BasicCaller, EntraJwtCaller, HmacCaller, MtlsCaller
from broker.config.partial import rule


def caller_settings(draft: Draft) -> Iterator[Problem]:
    """Settings of callers that contradict each other, or do nothing."""
    for name, caller in draft.callers.items():
        at: Loc = ("callers", name)
        if isinstance(caller, ApiKeyCaller):
            yield from _api_key(caller, at)
            yield from _repeated(caller, (*at, "keys"))
        elif isinstance(caller, MtlsCaller):
            yield from _mtls(caller, at)
        elif isinstance(caller, EntraJwtCaller):
            yield from _issuer(caller, at)
            yield from _anybody(caller, at)
        elif isinstance(caller, HmacCaller):
            yield from _hmac(caller, at)
        elif isinstance(caller, AllOfCaller):
            yield from _all_of(draft, name, caller, at)


@rule
def _api_key(caller: ApiKeyCaller, at: Loc) -> Iterator[Problem]:
    if caller.header is not None and caller.query is not None:
        yield Problem((*at, "query"), "the key comes in a header or in the query, not in both: two callers can do that")
    if caller.key is not None and caller.keys:
        yield Problem((*at, "keys"), "contradicts `key`: put that one into the list")
    elif caller.key is None and not caller.keys:
        yield Problem((*at, "key"), "required, or `keys` for several")


@rule
def _repeated(caller: ApiKeyCaller, at: Loc) -> Iterator[Problem]:
    for index, reference in enumerate(caller.keys):
        if reference in caller.keys[:index]:
            yield Problem((*at, index), "this key is there already")


@rule
def _mtls(caller: MtlsCaller, at: Loc) -> Iterator[Problem]:
    if caller.trusted_header is None:
        if "trusted_format" in caller.model_fields_set:
            yield warning((*at, "trusted_format"), "does nothing without `trusted_header`")
    elif caller.ca is None and not caller.sha256:
        yield Problem(
            (*at, "trusted_header"),
            "give `ca` or `sha256` as well: whether the balancer verified the certificate is not known here, and "
            "anybody can make one with any subject",
        )


@rule
def _issuer(caller: EntraJwtCaller, at: Loc) -> Iterator[Problem]:
    if caller.tenant is None and caller.issuer is None:
        yield Problem((*at, "tenant"), "required, or `issuer` for tokens that do not come from Entra ID")
    if caller.tenant is not None and caller.issuer is not None:
        yield Problem((*at, "issuer"), "contradicts `tenant`, whose issuers are known: give one of them")
    if caller.issuer is not None and "authority" in caller.model_fields_set:
        yield warning((*at, "authority"), "does nothing: the keys are found by `issuer`, or at `jwks_url`")


@rule
def _anybody(caller: EntraJwtCaller, at: Loc) -> Iterator[Problem]:
    if not caller.app_ids and not caller.roles:
        yield warning(at, "any application of the tenant can get a token for this audience; give `app_ids` or `roles`")


@rule
def _hmac(caller: HmacCaller, at: Loc) -> Iterator[Problem]:
    if caller.signed != "timestamp_body":
        if "timestamp_header" in caller.model_fields_set:
            yield warning((*at, "timestamp_header"), f"does nothing with `signed: {caller.signed}`")
    elif caller.timestamp_header.lower() == caller.header.lower():
        yield Problem((*at, "timestamp_header"), "is the header of the signature")


@rule
def _all_of(draft: Draft, name: str, caller: AllOfCaller, at: Loc) -> Iterator[Problem]:
    names = draft.names["callers"]
    for index, part in enumerate(caller.of):
        place = (*at, "of", index)
        if part not in names:
            yield Problem(place, f"no such entry in `callers`{did_you_mean(part, names)}")
        elif part == name or isinstance(draft.callers.get(part), AllOfCaller):
            yield Problem(place, "an all_of is made of other kinds of callers only")
        elif part in caller.of[:index]:
            yield Problem(place, "is named already")
    yield from _one_authorization(draft, caller, at)


@rule
def _one_authorization(draft: Draft, caller: AllOfCaller, at: Loc) -> Iterator[Problem]:
    readers = [part for part in caller.of if reads_authorization(draft.callers.get(part))]
    if len(readers) > 1:
        yield Problem(
            (*at, "of"), f"{' and '.join(readers)} both read Authorization, which a request has once: none could pass"
        )


def reads_authorization(caller: Any) -> bool:
    """Whether the proof stands in the Authorization header."""
    if isinstance(caller, ApiKeyCaller):
        return caller.query is None and caller.field.lower() == "authorization"
    return isinstance(caller, BasicCaller | EntraJwtCaller)
