"""nginx ends TLS before the broker: it hands the caller's certificate and address on, and nobody can make them up."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from needs import needs
from scenario_servers import free_port, process

from broker.app import App
from broker.testing.pki import Authority, Issued
from broker.testing.raw import RawClient, RawResponse, RawUpstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FRONT = Authority.create("Front CA")
SERVER = FRONT.issue()
PARTNERS = Authority.create("Partner CA")
PARTNER = PARTNERS.issue_client("partner")
STRANGER = Authority.create("Nobody's CA").issue_client("partner")

NGINX = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {chain}; ssl_certificate_key {key};
        ssl_verify_client optional_no_ca;
        location / {{
            proxy_pass https://127.0.0.1:{broker};
            proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca};
            proxy_ssl_name localhost; proxy_ssl_server_name on;
            proxy_http_version 1.1;
            proxy_set_header Host localhost;
            proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""


class Front:
    """nginx, the broker behind it, and the service behind that."""

    def __init__(self, app: App, service: RawUpstream, port: int) -> None:
        self.app = app
        self.service = service
        self.port = port

    async def ask(self, path: str, *lines: bytes, identity: Issued | None = None) -> RawResponse:
        """One request through nginx."""
        async with RawClient(self.port, ca=FRONT.ca_pem, identity=identity) as client:
            head = [b"GET %b HTTP/1.1" % path.encode(), b"Host: localhost", *lines, b"", b""]
            await client.send(b"\r\n".join(head))
            return await client.recv_response()


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    program, port = needs("nginx"), free_port()
    chain, key = SERVER.write(tmp_path, "server")
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(RawUpstream(OK))
        app = App(routes_file(tmp_path, chain, key, service.port), log_setup=False)
        await app.start()
        stack.push_async_callback(app.stop, 0)
        config = tmp_path / "nginx.conf"
        settings = {"chain": chain, "key": key, "ca": FRONT.write_ca(tmp_path, "front-ca.crt"), "port": port}
        config.write_text(NGINX.format(directory=tmp_path, broker=app.listeners["in"].address[1], **settings))
        command = [program, "-c", str(config), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")]
        stack.enter_context(process(command, port))
        yield Front(app, service, port)


def routes_file(directory: Path, chain: Path, key: Path, service: int) -> Path:
    partner = {
        "type": "mtls",
        "ca": str(PARTNERS.write_ca(directory, "partners.crt")),
        "subject": "CN=partner",
        "trusted_header": "X-Client-Cert",
    }
    document: dict[str, Any] = {
        "version": 1,
        "admin": {"bind": "127.0.0.1:0"},
        "listeners": {
            "in": {
                "bind": "127.0.0.1:0",
                "tls": {"certificates": [{"chain": str(chain), "key": str(key)}]},
                "trusted_proxies": ["127.0.0.1"],
            }
        },
        "upstreams": {"back": {"targets": [f"http://127.0.0.1:{service}"]}},
        "callers": {"partner": partner, "hq": {"type": "ip", "allow": ["192.168.0.0/16"]}},
        "routes": [
            {"name": "cert", "match": {"path": "/cert/"}, "callers": ["partner"], "upstream": "back"},
            {"name": "address", "match": {"path": "/address/"}, "callers": ["hq"], "upstream": "back"},
        ],
    }
    document["routes"][0]["caller_header"] = "X-Caller"
    path = directory / "routes.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


async def test_the_partners_certificate_gets_through_nginx(front: Front) -> None:
    assert (await front.ask("/cert/", identity=PARTNER)).status == 200
    [request] = front.service.requests
    assert b"\r\nX-Caller: partner\r\n" in request
    assert not re.search(rb"client-cert", request, re.IGNORECASE)


async def test_a_certificate_of_another_ca_does_not(front: Front) -> None:
    assert (await front.ask("/cert/", identity=STRANGER)).status == 403
    assert (await front.ask("/cert/")).status == 403
    assert front.service.requests == []


async def test_a_header_that_the_caller_makes_up_is_overwritten(front: Front) -> None:
    line = b"X-Client-Cert: " + quote(PARTNER.leaf_pem, safe="").encode()
    assert (await front.ask("/cert/", line)).status == 403
    assert (await front.ask("/cert/", line, identity=STRANGER)).status == 403
    assert front.service.requests == []


async def test_an_address_that_the_caller_makes_up_is_not_the_last(front: Front) -> None:
    # nginx appends 127.0.0.1, which is trusted itself: what stands before it is believed, as from a chain of proxies.
    assert (await front.ask("/address/", b"X-Forwarded-For: 192.168.1.1")).status == 200
    assert (await front.ask("/address/", b"X-Forwarded-For: 192.168.1.1, 8.8.8.8")).status == 403
    assert (await front.ask("/address/")).status == 403
