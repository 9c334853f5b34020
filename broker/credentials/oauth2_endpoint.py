"""Asking a token endpoint. Control plane: a request an hour."""

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import aiohttp

from broker.credentials.flow import CredentialUnavailable
from broker.credentials.oauth2_answer import TokenAnswer

_MOST: Final = 256 << 10


class TokenEndpoint:
    """One address, over TLS 1.2 or later. Each request has a connection of its own, and leaves nothing behind."""

    def __init__(self, url: str, ca: Path | None, proxy: str | None, timeout: float) -> None:
        """Raises `ValueError` when `ca` does not serve."""
        self.where = _shown(url)
        self._url = url
        self._proxy = proxy
        self._timeout = timeout
        self._context = _trusting(ca)

    async def ask(self, form: Mapping[str, str], headers: Mapping[str, str]) -> TokenAnswer:
        """POST a form (RFC 6749 section 4.4.2); raises `CredentialUnavailable`."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(urlencode(form).encode(), headers)
        except TimeoutError:
            raise CredentialUnavailable(f"{self.where}: no answer within {self._timeout:g}s") from None
        except aiohttp.ClientConnectionError as error:
            raise CredentialUnavailable(f"{self.where}: {error or type(error).__name__}") from None
        except (aiohttp.ClientError, ValueError) as error:
            # Their texts quote the answer and the whole address.
            raise CredentialUnavailable(f"{self.where}: no sound HTTP ({type(error).__name__})") from None

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> TokenAnswer:
        sent = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/x-www-form-urlencoded",
            **headers,
        }
        connector = aiohttp.TCPConnector(ssl=self._context, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(self._url, data=body, headers=sent, allow_redirects=False, proxy=self._proxy) as response,
        ):
            return TokenAnswer(response.status, await _bounded(response.content))


async def _bounded(content: aiohttp.StreamReader) -> bytes | None:
    data = bytearray()
    while len(data) <= _MOST:
        piece = await content.read(_MOST)
        if not piece:
            return bytes(data)
        data += piece
    return None


def _trusting(ca: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(ca)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"ca: {error.strerror or 'no PEM certificates'}") from None
    return context


def _shown(url: str) -> str:
    """The address without its query, where some servers want keys."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
