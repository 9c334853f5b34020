"""A plain client that drives the flow of a credential over one connection."""

import asyncio
import ssl
from typing import Any, Self

import httptools

from broker.core.message import Line
from broker.credentials.flow import Await, Call, Injector, Seen, Send


class Answer:
    """An answer as it comes in."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.body = b""
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line."""
        self.lines.append((name, value))

    def on_body(self, data: bytes) -> None:
        """Part of the body."""
        self.body += data

    def on_message_complete(self) -> None:
        """All of it is here."""
        self.complete = True


class Talker:
    """One connection at a time; when the server ends it, the next request opens another, and begins a flow anew."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls
        self._notes: dict[str, Any] = {}
        self._writer: asyncio.StreamWriter | None = None
        self.sent: list[Send] = []
        """What the flows wanted sent."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hang_up()

    async def call(
        self, injector: Injector, target: bytes = b"/", body: bytes | None = None
    ) -> tuple[int, list[Line], bytes]:
        """Make a call; the status, header lines and body of the answer that stands."""
        for _ in range(3):
            if (answer := await self._once(injector, target, body)) is not None:
                return answer
        raise ConnectionError("the server ends each connection")

    async def _once(
        self, injector: Injector, target: bytes, body: bytes | None
    ) -> tuple[int, list[Line], bytes] | None:
        certificate = await self._connect()
        method = b"GET" if body is None else b"POST"
        call = Call(method, target, b"localhost", has_body=body is not None, certificate=certificate)
        call.connection = self._notes
        flow = injector.flow(call)
        step = next(flow)
        while True:
            if isinstance(step, Await):
                result: Any = await step.what()
            else:
                assert isinstance(step, Send)
                if not self._connected:
                    return None
                self.sent.append(step)
                answer = await self._exchange(method, target, step, body)
                if answer[0] not in step.watch:
                    flow.close()
                    return answer
                result = Seen(answer[0], answer[1])
            try:
                step = flow.send(result)
            except StopIteration:
                return answer

    @property
    def _connected(self) -> bool:
        return self._writer is not None

    async def _connect(self) -> bytes | None:
        """Be connected; the server's certificate in DER, over TLS."""
        if self._writer is None:
            name = "localhost" if self._tls else None
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._tls, server_hostname=name
            )
            self._notes = {}
        found = self._writer.get_extra_info("ssl_object")
        return found.getpeercert(True) if found else None

    async def _exchange(
        self, method: bytes, target: bytes, step: Send, body: bytes | None
    ) -> tuple[int, list[Line], bytes]:
        assert self._writer is not None
        lines: list[Line] = [(b"Host", b"localhost"), *step.lines]
        content = b"" if body is None or step.without_body else body
        if body is not None:
            lines.append((b"Content-Length", b"%d" % len(content)))
        head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
        self._writer.write(method + b" " + target + b" HTTP/1.1\r\n" + head + b"\r\n" + content)
        answer = Answer()
        parser = httptools.HttpResponseParser(answer)
        while not answer.complete:
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionError("the server hung up in an answer")
            parser.feed_data(data)
        if any(name.lower() == b"connection" and value.lower() == b"close" for name, value in answer.lines):
            self._hang_up()
        return parser.get_status_code(), answer.lines, answer.body

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
