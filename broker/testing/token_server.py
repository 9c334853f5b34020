"""A server of OAuth 2.0 tokens: proves clients by secret or signed assertion, and can be made to misbehave."""

import asyncio
import base64
import hashlib
import secrets
import ssl
import time
from typing import Any, Self
from urllib.parse import unquote_plus

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

CLIENT = "0a8f1f4e-6e1b-4a3c-9a51-0e7b8f2d6c11"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
FEDERATED = "the-token-of-the-pod"


class Refusal(Exception):
    """Why a client gets no token."""


class TokenServer:
    """Any POST is a token request, a GET one of a managed identity; use it with `async with`."""

    def __init__(self, context: ssl.SSLContext | None, secret: str = "s3cret: ä+/%") -> None:
        """`context`: None for plain HTTP."""
        self.secret = secret
        self.certificates: list[x509.Certificate] = []
        """Registered for assertions."""
        self.audience: str | None = None
        """What assertions have to be for; None: the address that was asked."""
        self.longest = 310.0
        """For how many seconds assertions may be good."""
        self.lifetime: Any = 3600
        self.requests: list[dict[str, str]] = []
        """The forms, and as `method` how the client proved who it is."""
        self.issued: list[str] = []
        self.answer: web.Response | None = None
        """What to say to everybody in place of a token."""
        self.more: dict[str, Any] = {}
        """What else to say in the answer; None takes a field out."""
        self.open = asyncio.Event()
        """While it is clear, requests hang."""
        self.open.set()
        self.port = 0
        self._context = context
        self._jtis: set[str] = set()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The token endpoint."""
        return f"{self.origin}/oauth2/token"

    @property
    def origin(self) -> str:
        """Where it is."""
        return f"{'http' if self._context is None else 'https'}://localhost:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen on a free port, or on the one used before."""
        application = web.Application()
        application.router.add_post("/{tail:.*}", self._token)
        application.router.add_get("/{tail:.*}", self._identity)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._context).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        self.open.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(form)
        await self.open.wait()
        if self.answer is not None:
            return _copy(self.answer)
        try:
            form["method"] = self._prove(request, form)
        except (Refusal, jwt.PyJWTError) as error:
            said = {"error": "invalid_client", "error_description": f"{type(error).__name__}: {error}"}
            return web.json_response(said, status=401)
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        return self._give({"expires_in": self.lifetime})

    async def _identity(self, request: web.Request) -> web.StreamResponse:
        self.requests.append({**request.query, "header": request.headers.get("X-IDENTITY-HEADER", "")})
        await self.open.wait()
        if self.answer is not None:
            return _copy(self.answer)
        return self._give({"expires_in": str(self.lifetime), "resource": request.query.get("resource", "")})

    def _give(self, said: dict[str, Any]) -> web.StreamResponse:
        token = f"token-{len(self.issued)}-{secrets.token_urlsafe(16)}"
        self.issued.append(token)
        everything = {"access_token": token, "token_type": "Bearer", **said, **self.more}
        return web.json_response({name: value for name, value in everything.items() if value is not None})

    def _prove(self, request: web.Request, form: dict[str, str]) -> str:
        authorization = request.headers.get("Authorization", "")
        if authorization:
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode()
            name, _, secret = pair.partition(":")
            self._compare(unquote_plus(name), unquote_plus(secret))
            return "client_secret_basic"
        if "client_assertion" not in form:
            self._compare(form.get("client_id"), form.get("client_secret"))
            return "client_secret_post"
        if form["client_assertion"] == FEDERATED:
            return "federated"
        self._verify(form["client_assertion"], self.audience or f"{self.origin}{request.path}")
        return "private_key_jwt"

    def _compare(self, client: str | None, secret: str | None) -> None:
        if (client, secret) != (CLIENT, self.secret):
            raise Refusal(f"a wrong secret: {secret}")

    def _verify(self, assertion: str, audience: str) -> None:
        header = jwt.get_unverified_header(assertion)
        certificate = self._registered(header)
        key: Any = certificate.public_key()
        required = ["iss", "sub", "aud", "jti", "exp"]
        claims = jwt.decode(
            assertion,
            key,
            algorithms=["PS256", "RS256", "ES256"],
            audience=audience,
            issuer=CLIENT,
            subject=CLIENT,
            options={"require": required},
        )
        if claims["jti"] in self._jtis or claims["exp"] - time.time() > self.longest:
            raise Refusal("an assertion that was seen before, or is good for too long")
        self._jtis.add(claims["jti"])

    def _registered(self, header: dict[str, Any]) -> x509.Certificate:
        for one in self.certificates:
            der = one.public_bytes(Encoding.DER)
            names = {"x5t": hashlib.sha1(der).digest(), "x5t#S256": hashlib.sha256(der).digest()}
            shown = [name for name in names if name in header]
            if shown and all(_plain(header[name]) == _encoded(names[name]) for name in shown):
                return one
        raise Refusal("no such certificate is registered")


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _plain(text: str) -> str:
    # RFC 7515 knows no padding; the SDK of Azure sends some, and Entra ID takes it.
    return text.rstrip("=")


def _copy(answer: web.Response) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers.copy(), body=answer.body)
