"""A SOAP service that believes a UsernameToken only after a close look."""

import hashlib
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lxml import etree

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"


class Refused(Exception):
    """Why a call is not believed."""


class WsseService:
    """What it knows and what it saw."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password
        self.nonces: set[bytes] = set()
        self.ids: set[str] = set()
        self.bodies: list[bytes] = []
        self.heads: list[dict[str, str]] = []
        self.port = 0

    def check(self, body: bytes) -> str:
        """The text that the call asks about; raises `Refused`."""
        root = etree.fromstring(body)
        soap = etree.QName(root).namespace
        header, content = root
        assert header.tag == f"{{{soap}}}Header"
        [security] = header.findall(f"{WSSE}Security")
        assert security.get(f"{{{soap}}}mustUnderstand") == "1"
        self._check_time(security.find(f"{WSU}Timestamp"))
        token = security.find(f"{WSSE}UsernameToken")
        for element in security:
            assert element.get(f"{WSU}Id") not in self.ids
            self.ids.add(element.get(f"{WSU}Id"))
        if token.findtext(f"{WSSE}Username") != self.username:
            raise Refused("FailedAuthentication")
        self._check_password(token)
        return "".join(content.itertext()).strip()

    def _check_time(self, stamp: Any) -> None:
        if stamp is None:
            raise Refused("InvalidSecurity")
        created, expires = (datetime.fromisoformat(stamp.findtext(f"{WSU}{name}")) for name in ("Created", "Expires"))
        now = datetime.now(UTC)
        if not created - timedelta(seconds=5) <= now < expires:
            raise Refused("MessageExpired")

    def _check_password(self, token: Any) -> None:
        password = token.find(f"{WSSE}Password")
        if password.get("Type").endswith("#PasswordText"):
            if password.text != self.password:
                raise Refused("FailedAuthentication")
            return
        assert password.get("Type").endswith("#PasswordDigest")
        nonce = b64decode(token.findtext(f"{WSSE}Nonce"))
        if nonce in self.nonces:
            raise Refused("FailedAuthentication")
        self.nonces.add(nonce)
        created = token.findtext(f"{WSU}Created").encode()
        if b64decode(password.text) != hashlib.sha1(nonce + created + self.password.encode()).digest():
            raise Refused("FailedAuthentication")

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        try:
            said = self.check(body)
        except Refused as refused:
            return 500, _ENVELOPE.format(
                soap=SOAP_11,
                content="<soap:Fault><faultcode xmlns:wsse='{}'>wsse:{}</faultcode><faultstring>no</faultstring>"
                "</soap:Fault>".format(WSSE.strip("{}"), refused),
            ).encode()
        soap = etree.QName(etree.fromstring(body)).namespace
        content = f'<echoed xmlns="urn:echo">{said}</echoed>'
        return 200, _ENVELOPE.format(soap=soap, content=content).encode()


_ENVELOPE = '<soap:Envelope xmlns:soap="{soap}"><soap:Body>{content}</soap:Body></soap:Envelope>'


@contextmanager
def running(service: WsseService) -> Iterator[WsseService]:
    """The service on a port, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(200, WSDL.replace("PORT", str(service.port)).encode())

        def do_POST(self) -> None:
            service.heads.append({name.lower(): value for name, value in self.headers.items()})
            if self.path.endswith("/count"):
                self._reply(200, str(sum(map(len, self._pieces()))).encode())
                return
            body = b"".join(self._pieces())
            service.bodies.append(body)
            self._reply(*service.answer(body))

        def _pieces(self) -> Iterator[bytes]:
            if "Content-Length" in self.headers:
                left = int(self.headers["Content-Length"])
                while left:
                    piece = self.rfile.read(min(left, 1 << 16))
                    left -= len(piece)
                    yield piece
                return
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size + 2)[:-2]
            self.rfile.readline()

        def _reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", service.heads[-1]["content-type"] if service.heads else "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


def _binding(name: str, soap: str) -> str:
    return f"""
 <binding name="{name}" type="t:Echo">
  <{soap}:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name="echo"><{soap}:operation soapAction="urn:echo#echo" style="document"/>
   <input><{soap}:body use="literal"/></input><output><{soap}:body use="literal"/></output></operation>
 </binding>"""


WSDL = f"""<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:echo" targetNamespace="urn:echo"
 xmlns:s11="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:s12="http://schemas.xmlsoap.org/wsdl/soap12/">
 <types><schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:echo">
  <element name="echo" type="string"/><element name="echoed" type="string"/></schema></types>
 <message name="in"><part name="text" element="t:echo"/></message>
 <message name="out"><part name="text" element="t:echoed"/></message>
 <portType name="Echo"><operation name="echo"><input message="t:in"/><output message="t:out"/></operation></portType>
 {_binding("Echo11", "s11")}{_binding("Echo12", "s12")}
 <service name="EchoService">
  <port name="P11" binding="t:Echo11"><s11:address location="http://127.0.0.1:PORT/echo"/></port>
  <port name="P12" binding="t:Echo12"><s12:address location="http://127.0.0.1:PORT/echo"/></port>
 </service>
</definitions>"""
