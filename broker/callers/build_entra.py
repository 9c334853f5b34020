"""From a configured issuer of tokens to what its tokens must say and where its keys are."""

from typing import Final
from urllib.parse import urlsplit

from broker.callers.discovery import KeyFetcher
from broker.callers.entra import EntraJwtCheck
from broker.callers.key_source import KeySource
from broker.callers.token import TokenDemands
from broker.config.callers_entra import MICROSOFT, EntraJwtCaller

_V1_ISSUERS: Final = {"login.partner.microsoftonline.cn": "https://sts.chinacloudapi.cn"}
_V1_ISSUER: Final = "https://sts.windows.net"
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


def build_entra(name: str, caller: EntraJwtCaller) -> EntraJwtCheck:
    """Raises `OSError` or `ssl.SSLError` when `ca` does not serve."""
    accepted = issuers(caller)
    demands = TokenDemands(
        issuers=accepted,
        audiences=audiences(caller.audience),
        algorithms=tuple(caller.algorithms),
        leeway=caller.leeway,
        tenant=caller.tenant if caller.issuer is None else None,
        app_ids=frozenset(caller.app_ids),
        roles=frozenset(caller.roles),
    )
    fetch = KeyFetcher(discovery(caller), caller.jwks_url, accepted, caller.ca)
    return EntraJwtCheck(demands, KeySource(name, fetch, refresh=caller.refresh, retry=caller.retry))


def issuers(caller: EntraJwtCaller) -> tuple[str, ...]:
    """What `iss` may be: the configured issuer alone, or the tenant's in both versions of Entra ID's tokens."""
    if caller.issuer is not None:
        return (caller.issuer,)
    authority = caller.authority.rstrip("/")
    v1 = _V1_ISSUERS.get(urlsplit(authority).hostname or "", _V1_ISSUER)
    # Whatever stands before an authority of one's own may hand on documents that name Microsoft's address.
    v2 = dict.fromkeys(f"{base}/{caller.tenant}/v2.0" for base in (authority, MICROSOFT))
    return (f"{v1}/{caller.tenant}/", *v2)


def discovery(caller: EntraJwtCaller) -> str:
    """Where the OpenID configuration is (OpenID Connect Discovery 1.0 section 4)."""
    if caller.issuer is not None:
        return caller.issuer.rstrip("/") + _WELL_KNOWN
    return f"{caller.authority.rstrip('/')}/{caller.tenant}/v2.0{_WELL_KNOWN}"


def audiences(configured: list[str]) -> tuple[str, ...]:
    """Each audience with and without `api://`: tokens of version 2.0 have the bare id."""
    bare = [audience.removeprefix("api://") for audience in configured]
    return tuple(dict.fromkeys([*configured, *bare, *(f"api://{one}" for one in bare if "://" not in one)]))
