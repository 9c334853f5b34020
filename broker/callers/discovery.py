"""Fetching an issuer's keys: OpenID discovery, then its JWK set. Control plane: a few requests a day."""

import asyncio
import json
import ssl
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

_MOST: Final = 1 << 20
_SECONDS: Final = 5.0


class KeyFetcher:
    """Asks for the configuration where no address of the keys is given, and then for the keys."""

    def __init__(self, discovery: str, jwks: str | None, issuers: Collection[str], ca: Path | None) -> None:
        """`issuers`: whose configuration is taken. Raises `OSError` or `ssl.SSLError` when `ca` does not serve."""
        self._discovery = discovery
        self._jwks = jwks
        self._issuers = frozenset(issuers)
        self._context = trusting(ca)

    async def __call__(self) -> object:
        """The parsed set; raises `OSError` or `ValueError`."""
        try:
            async with asyncio.timeout(_SECONDS), self._session() as session:
                return await _document(session, self._jwks or await self._discover(session))
        except TimeoutError:
            raise OSError("no answer in time") from None
        except aiohttp.ClientError as error:
            raise OSError(str(error) or type(error).__name__) from None

    def _session(self) -> aiohttp.ClientSession:
        # trust_env: where outgoing calls need a proxy, the environment names it.
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._context), trust_env=True)

    async def _discover(self, session: aiohttp.ClientSession) -> str:
        found = await _document(session, self._discovery)
        if found.get("issuer") not in self._issuers:
            raise ValueError(f"{self._discovery} is the configuration of another issuer")
        address = found.get("jwks_uri")
        if not isinstance(address, str) or not _as_safe(address, self._discovery):
            raise ValueError(f"{self._discovery} names no https address of keys")
        return address


def trusting(ca: Path | None) -> ssl.SSLContext:
    """The context for these certificates, or for those of the system; TLS 1.2 and later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca)
    return context


def _as_safe(address: str, than: str) -> bool:
    """Whether an address is https, or http on the very machine that was asked by http before."""
    to, of = urlsplit(address), urlsplit(than)
    return to.scheme == "https" or (to.scheme == of.scheme == "http" and to.hostname == of.hostname)


async def _document(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"{url} answered {response.status}")
        data = await response.content.read(_MOST + 1)
        while not response.content.at_eof() and len(data) <= _MOST:
            data += await response.content.read(_MOST + 1)
    if len(data) > _MOST:
        raise ValueError(f"{url} is too large")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError(f"{url} is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError(f"{url} is no JSON object")
    return found
