"""A routes file with every kind of credential and of caller, each with secrets that are easy to find again."""

import asyncio
import re
from asyncio import StreamWriter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12
from scenario_secrets import AUTHORITY, IDENTITY, LATER
from scenario_servers import free_port

from broker.testing.issuer import APP, AUDIENCE, TENANT
from broker.testing.pki import Authority
from broker.testing.raw.reader import RawReader, read_request

CLIENTS: Final = Authority.create("Client CA", not_after=LATER)
CLIENT: Final = CLIENTS.issue_client("broker", key="rsa2048", not_after=LATER)
STRANGER: Final = Authority.create("Stranger CA", not_after=LATER)
MODES: Final = (
    "ok",
    "refused",
    "forbidden",
    "broken",
    "fault",
    "garbage-status",
    "garbage-header",
    "garbage-name",
    "garbage-length",
    "garbage-chunk",
    "garbage-challenge",
    "digest",
    "ntlm",
    "close",
    "cut",
    "slow",
)
"""What an upstream does, by the last part of the path."""
TOKENS: Final = ("ok", "html", "json", "name", "tight", "token", "cut", "garbage-status", "garbage-header", "close")
"""What a token endpoint does."""
FORMS: Final = ("ok", "page", "broken", "garbage-header", "close")
"""What a login form does."""
ACCESS_TOKEN: Final = "acc3ss-token-of-the-server+/x"
SESSION: Final = "s3ssion-cookie-of-the-form"


def secret(name: str) -> str:
    """One that URLs, JSON, XML and HTTP all write differently."""
    return f"s3cr3t<{name}>&/+ %41\u00e4\u00df"


def token_safe(name: str) -> str:
    """One that cookies and bearer tokens can carry."""
    return f"s3cr3t+{name}/x~"


def as_yaml(document: dict[str, Any]) -> str:
    """By libyaml where it is there: a long routes file is written a hundred times."""
    return yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))


class Places:
    """The directory, the routes file, and all secrets by the name of their environment variable or file."""

    def __init__(self, base: Path, port: int, issuer: str) -> None:
        self.base = base
        self.port = port
        self.environment: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        (base / "mount").mkdir()
        chain, key = IDENTITY.write(base, "server")
        AUTHORITY.write_ca(base, "ca.crt")
        CLIENTS.write_ca(base, "clients.crt")
        STRANGER.write_ca(base, "stranger.crt")
        callers = self._callers(issuer)
        tls = {
            "certificates": [{"chain": chain.name, "key": key.name}],
            "client_ca": "clients.crt",
            "mtls": "optional",
        }
        trusting = {"tls": {"ca": "ca.crt"}}
        self.document: dict[str, Any] = {
            "version": 1,
            "admin": {"bind": f"127.0.0.1:{free_port()}"},
            "log": {"level": "debug"},
            "secrets": {"files": "mount"},
            "listeners": {"in": {"bind": "127.0.0.1:0", "tls": tls, "limits": {"failed_callers": {"delay": "0ms"}}}},
            "upstreams": {
                "back": {"targets": [f"https://localhost:{port}"], **trusting},
                "closed": {"targets": ["https://localhost:9"], **trusting},
                "untrusted": {"targets": [f"https://localhost:{port}"], "tls": {"ca": "stranger.crt"}},
            },
            "callers": callers,
            "routes": [*self._credentialed(), *self._called(callers)],
        }
        self.write()

    def write(self, document: dict[str, Any] | None = None) -> Path:
        """The routes file."""
        path = self.base / "routes.yaml"
        path.write_text(as_yaml(document or self.document))
        return path

    @property
    def secrets(self) -> dict[str, bytes]:
        """All that must not be seen."""
        variables = {name: value.encode() for name, value in self.environment.items()}
        keys = {name: value for name, value in self.files.items() if b"CERTIFICATE" not in value}
        tokens = {"the access token": ACCESS_TOKEN.encode(), "the session": SESSION.encode()}
        return {**variables, **keys, **tokens}

    def env(self, name: str, value: str = "") -> str:
        """A reference to a new secret in the environment."""
        self.environment[name] = value or secret(name)
        return f"env:{name}"

    def file(self, name: str, value: bytes = b"") -> str:
        """A reference to a new secret in a file."""
        self.files[name] = value or secret(name).encode()
        (self.base / "mount" / name).write_bytes(self.files[name])
        return f"file:{name}"

    def _callers(self, issuer: str) -> dict[str, Any]:
        return {
            "key": {"type": "api_key", "key": self.env("CALLER_KEY", token_safe("caller-key"))},
            "query": {"type": "api_key", "query": "code", "key": self.file("caller-query")},
            "basic": {"type": "basic", "username": self.env("CALLER_NAME"), "password": self.file("caller-password")},
            "hmac": {"type": "hmac", "secret": self.env("CALLER_HMAC")},
            "mtls": {"type": "mtls", "subject": "CN=nobody", "ca": "clients.crt"},
            "jwt": {"type": "entra_jwt", "tenant": TENANT, "audience": AUDIENCE, "app_ids": [APP], "authority": issuer},
            "ip": {"type": "ip", "allow": ["127.0.0.1/32"]},
            "all": {"type": "all_of", "of": ["ip", "key"]},
        }

    def _called(self, callers: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name in callers:
            match = {"match": {"path": f"/by-{name}/"}, "callers": [name], "upstream": "back", "deadline": "1s"}
            yield {"name": f"by-{name}", **match}
            yield {**match, "name": f"passing-{name}", "match": {"path": f"/passing-{name}/"}, "pass_through": True}

    def _credentialed(self) -> Iterator[dict[str, Any]]:
        for name, credentials in self._credentials():
            for upstream in ("back", "closed", "untrusted") if name in ("basic", "key-query") else ("back",):
                path = name if upstream == "back" else f"{name}-{upstream}"
                yield {
                    "name": path,
                    "match": {"path": f"/{path}/"},
                    "callers": "public",
                    "upstream": upstream,
                    "credentials": credentials,
                    "deadline": "1s",
                }

    def _credentials(self) -> Iterator[tuple[str, Any]]:
        key = load_pem_private_key(CLIENT.key_pem.encode(), None)
        phrase = "passphrase-<&>-\u00e4"
        pfx = pkcs12.serialize_key_and_certificates(
            b"broker",
            key,
            CLIENT.certificate,
            None,
            BestAvailableEncryption(phrase.encode()),  # type: ignore[arg-type]
        )
        login = {"username": self.env("A_NAME"), "password": self.env("A_PASSWORD")}
        basic = {"type": "basic", **login}
        header = {"type": "api_key", "header": "X-Upstream-Key", "key": self.env("A_KEY", token_safe("a-key"))}
        yield "basic", basic
        yield "basic-file", {**basic, "password": self.file("basic-password")}
        yield "bearer", {"type": "bearer", "token": self.env("A_TOKEN", token_safe("a-token"))}
        yield "key", header
        yield "key-query", {"type": "api_key", "query": "subscription", "key": self.file("query-key")}
        yield "key-cookie", {"type": "api_key", "cookie": "auth", "key": self.env("A_COOKIE", token_safe("cookie"))}
        yield "headers", {"type": "headers", "headers": {"X-A": self.env("HEADER_A"), "X-B": self.file("header-b")}}
        yield "several", [basic, header]
        for kind in ("digest", "ntlm", "negotiate"):
            yield kind, {"type": kind, **login}
        for kind in ("text", "digest"):
            yield f"wsse-{kind}", {"type": "wsse", "password_type": kind, **login}
        yield (
            "certificate",
            {
                "type": "client_certificate",
                "certificate": self.file("client.pfx", pfx),
                "passphrase": self.env("PFX_PASSPHRASE", phrase),
            },
        )
        for mode in TOKENS:
            base = {"type": "oauth2", "token_url": f"https://localhost:{self.port}/token/{mode}", "ca": "ca.crt"}
            base |= {"client_id": "broker", "parameters": {"extra": self.env("OAUTH_EXTRA")}, "timeout": "1s"}
            yield f"oauth-basic-{mode}", {**base, "client_secret": self.env("OAUTH_SECRET")}
            yield f"oauth-post-{mode}", {**base, "auth": "client_secret_post", "client_secret": "env:OAUTH_SECRET"}
            if mode not in ("ok", "json", "tight"):
                # A key takes long to open, and proves no more.
                continue
            yield f"oauth-key-{mode}", {**base, "certificate": "file:client.pfx", "passphrase": "env:PFX_PASSPHRASE"}
        entra = {"type": "entra", "scope": "https://contoso.example/.default", "tenant": TENANT, "client_id": APP}
        entra |= {"authority": f"https://localhost:{self.port}", "ca": "ca.crt", "timeout": "1s"}
        yield "entra", {**entra, "client_secret": self.env("ENTRA_SECRET")}
        yield (
            "entra-key",
            {**entra, "certificate": self.file("entra.pem", (CLIENT.key_pem + CLIENT.chain_pem).encode())},
        )
        for mode in FORMS:
            fields = {"user": self.env("FORM_USER"), "password": self.file("form-password")}
            yield f"form-{mode}", {"type": "form_login", "url": f"/login/{mode}?x=1", "fields": fields}


CHALLENGE: Final = b'Digest realm="r", nonce="n0nce", qop="auth"'


async def upstream(reader: RawReader, writer: StreamWriter) -> None:
    """Does what the path says; repeats whatever it was sent wherever it can."""
    while True:
        request = await read_request(reader)
        if not request:
            return
        head, _, body = request.partition(b"\r\n\r\n")
        target = head.split(b" ")[1]
        mode = re.split(rb"[/?]", target.partition(b"?")[0])[-1].decode()
        if target.startswith(b"/" + TENANT.encode()):
            mode = "json"
        echo = b" ".join(re.findall(rb"(?im)^(?!host|content-|x-request-id)[\w-]+: ?(.*?)\r?$", head)) or target
        if target.startswith(b"/login/") and mode == "ok":
            writer.write(
                b"HTTP/1.1 302 Found\r\nLocation: /home\r\nSet-Cookie: session=%b; Path=/\r\nContent-Length: 0\r\n\r\n"
                % SESSION.encode()
            )
        elif target.startswith(b"/token/") or mode == "json":
            writer.write(_token(mode, echo, body))
        else:
            if mode == "slow":
                await asyncio.sleep(3)
            writer.write(_answer(mode, echo, body, target))
        await writer.drain()
        if mode in ("close", "cut") or mode.startswith("garbage"):
            return


def _sized(status: bytes, body: bytes, *lines: bytes) -> bytes:
    named = b"".join(line + b"\r\n" for line in lines)
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n" % (status, len(body), named) + body


def _answer(mode: str, echo: bytes, body: bytes, target: bytes) -> bytes:
    ntlm = b"WWW-Authenticate: NTLM TlRMTVNTUAAC" + b"AAAA" * 12
    answers = {
        "ok": _sized(b"200 OK", b"fine"),
        "refused": _sized(b"401 Unauthorized", b"no", b'WWW-Authenticate: Basic realm="r"'),
        "forbidden": _sized(b"403 Forbidden", b"no"),
        "broken": _sized(b"500 Broken", b"no"),
        "fault": _sized(b"500 Fault", b"<f>wsse:FailedAuthentication</f>"),
        "page": _sized(
            b"200 OK", b"<form><input type=password value='" + body + b"'></form>", b"Set-Cookie: a=" + body
        ),
        "garbage-status": b"HTTP/1.1 " + echo + b"\r\n\r\n",
        "garbage-header": b"HTTP/1.1 200 OK\r\nNo Colon " + echo + b"\r\n\r\n",
        "garbage-name": b"HTTP/1.1 200 OK\r\n" + echo + b": x\r\n\r\n",
        "garbage-length": b"HTTP/1.1 200 OK\r\nContent-Length: " + echo + b"\r\n\r\n",
        "garbage-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + echo + b"\r\n",
        "garbage-challenge": _sized(b"401 Unauthorized", b"no", b"WWW-Authenticate: " + echo),
        "digest": _sized(b"401 Unauthorized", b"no", b"WWW-Authenticate: " + CHALLENGE),
        "ntlm": _sized(b"401 Unauthorized", b"no", ntlm, ntlm.replace(b"NTLM ", b"Negotiate ")),
        "redirect": _sized(b"301 Moved", b"", b"Location: " + target.replace(b"?", b"/?")),
        "close": b"",
        "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + echo[:9],
    }
    return answers.get(mode, answers["ok"])


def _token(mode: str, echo: bytes, body: bytes) -> bytes:
    both = (echo + b" " + body).decode("latin-1").replace("\\", "").replace('"', "'")
    plain = {
        "ok": _sized(b"200 OK", b'{"access_token": "%b", "expires_in": 3600}' % ACCESS_TOKEN.encode()),
        "html": _sized(b"401 Unauthorized", b"<html>" + body + b"</html>"),
        "json": _json(f'{{"error": "invalid_client", "error_description": "{both}"}}'),
        "name": _json(f'{{"error": "{both}"}}'),
        # The broker shortens what it is told: what it cuts through is still a secret.
        "tight": _json(f'{{"error": "x", "error_description": "{(both * 4)[-310:]}"}}'),
        "token": _sized(b"200 OK", b'{"access_token": "%b \\u00e4", "expires_in": 60}' % both.encode()),
    }
    return plain.get(mode) or _answer(mode, echo, body, b"/")


def _json(text: str) -> bytes:
    return _sized(b"400 Bad Request", text.encode(), b"Content-Type: application/json")
