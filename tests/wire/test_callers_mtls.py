"""Callers that show certificates: to the listener, and to a balancer that ends TLS before it."""

import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from broker.config.load import ConfigError
from broker.testing.pki import Authority, Issued
from broker.testing.raw import RawUpstream

StartBroker = Callable[..., Awaitable[Any]]
CA = Authority.create("Partner CA")
PARTNER = CA.issue(["partner.example"], common_name="partner", purposes=("client",))
OTHER = CA.issue_client("other")
STRANGER = Authority.create("Nobody's CA").issue_client("partner")
GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n%b\r\n"


async def start(
    broker: StartBroker, upstream: RawUpstream, certificates: Any, directory: Path, mtls: str | None, **caller: Any
) -> Any:
    """A broker whose listener knows the partner's CA."""
    tls: dict[str, Any] = {"certificates": [{"chain": str(certificates.chain), "key": str(certificates.key)}]}
    tls["client_ca"] = str(CA.write_ca(directory, "partner-ca.crt"))
    if mtls is not None:
        tls["mtls"] = mtls
    callers = {"partner": {"type": "mtls", **caller}, "fno": {"type": "api_key", "key": "env:MTLS_KEY"}}
    return await broker(
        upstream.port,
        listener={"tls": tls},
        callers=callers,
        route={"callers": ["partner", "fno"]},
        env={"MTLS_KEY": "key-of-fno"},
    )


async def status(running: Any, identity: Issued | None = None, line: bytes = b"") -> int:
    answer = await running.ask(GET % line, identity=identity)
    return answer.status


async def test_optional_lets_one_listener_serve_both_kinds(
    broker: StartBroker, upstream: RawUpstream, certificates: Any, tmp_path: Path
) -> None:
    demands = {"subject": "CN=partner", "san": ["PARTNER.example"], "sha256": [PARTNER.sha256]}
    running = await start(broker, upstream, certificates, tmp_path, "optional", **demands)
    assert await status(running, PARTNER) == 200
    assert await status(running, None, b"X-Api-Key: key-of-fno\r\n") == 200
    assert await status(running) == 401
    assert await status(running, OTHER) == 403
    assert await status(running, OTHER, b"X-Api-Key: key-of-fno\r\n") == 200
    with pytest.raises((ssl.SSLError, OSError, EOFError)):
        await status(running, STRANGER, b"X-Api-Key: key-of-fno\r\n")


@pytest.mark.parametrize("mtls", [None, "required"])
async def test_with_a_ca_a_certificate_is_compulsory_unless_said_otherwise(
    broker: StartBroker, upstream: RawUpstream, certificates: Any, tmp_path: Path, mtls: str | None
) -> None:
    running = await start(broker, upstream, certificates, tmp_path, mtls)
    assert await status(running, PARTNER) == 200
    with pytest.raises((ssl.SSLError, OSError, EOFError)):
        await status(running, None, b"X-Api-Key: key-of-fno\r\n")


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_resumed_session_is_the_same_caller(
    broker: StartBroker, upstream: RawUpstream, certificates: Any, tmp_path: Path, maximum: ssl.TLSVersion
) -> None:
    running = await start(broker, upstream, certificates, tmp_path, "optional", subject="CN=partner")
    chain, key = PARTNER.write(tmp_path, "partner")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = maximum
    context.load_verify_locations(cadata=running.ca)
    context.load_cert_chain(chain, key)
    for _ in range(3):
        assert (await running.ask(GET % b"", context=context)).status == 200


async def test_off_asks_for_no_certificate(
    broker: StartBroker, upstream: RawUpstream, certificates: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"callers\.partner: listeners\.main asks for no certificates"):
        await start(broker, upstream, certificates, tmp_path, "off")


# Behind a balancer.


def pem(issued: Issued) -> bytes:
    return quote(issued.leaf_pem, safe="").encode()


def base64(issued: Issued) -> bytes:
    return b":" + b64encode(issued.certificate.public_bytes(Encoding.DER)) + b":"


def xfcc(issued: Issued) -> bytes:
    return b'Hash=00;Cert="' + pem(issued) + b'";Subject="CN=whoever"'


FORMATS = [("pem", "X-Client-Cert", pem), ("rfc9440", "Client-Cert", base64), ("xfcc", "X-Forwarded-Client-Cert", xfcc)]


@pytest.mark.parametrize(("kind", "header", "write"), FORMATS, ids=lambda value: str(value)[:12])
async def test_a_balancer_hands_the_certificate_on(
    broker: StartBroker, upstream: RawUpstream, tmp_path: Path, kind: str, header: str, write: Any
) -> None:
    caller = {"type": "mtls", "subject": "CN=partner", "ca": str(CA.write_ca(tmp_path, "partner-ca.crt"))}
    callers = {"partner": {**caller, "trusted_header": header, "trusted_format": kind}}
    listener = {"trusted_proxies": ["127.0.0.1"]}
    running = await broker(upstream.port, listener=listener, callers=callers, route={"callers": ["partner"]})
    line = header.encode() + b": %b\r\n"
    assert await status(running, line=line % write(PARTNER)) == 200
    assert header.lower().encode() not in upstream.requests[-1].lower()
    for wrong in (write(OTHER), write(STRANGER), b"nonsense"):
        assert await status(running, line=line % wrong) == 403
    assert await status(running) == 403
    assert await status(running, line=line % write(PARTNER) * 2) == 403
    assert len(upstream.requests) == 1


async def test_the_header_goes_no_further_even_where_proofs_do(
    broker: StartBroker, upstream: RawUpstream, tmp_path: Path
) -> None:
    callers = {"partner": {"type": "mtls", "sha256": [PARTNER.sha256], "trusted_header": "X-Client-Cert"}}
    route = {"callers": ["partner"], "pass_through": True}
    running = await broker(upstream.port, listener={"trusted_proxies": ["127.0.0.1"]}, callers=callers, route=route)
    assert await status(running, line=b"X-Client-Cert: %b\r\n" % pem(PARTNER)) == 200
    assert b"client-cert" not in upstream.requests[-1].lower()


async def test_nobody_else_is_believed(broker: StartBroker, upstream: RawUpstream, tmp_path: Path) -> None:
    callers = {"partner": {"type": "mtls", "sha256": [PARTNER.sha256], "trusted_header": "X-Client-Cert"}}
    listener = {"trusted_proxies": ["192.0.2.0/24"]}
    running = await broker(upstream.port, listener=listener, callers=callers, route={"callers": ["partner"]})
    assert await status(running, line=b"X-Client-Cert: %b\r\n" % pem(PARTNER)) == 403
    assert upstream.connections == []
