"""A scripted upstream that records exactly what reached it."""

import asyncio
import ssl
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from broker.testing.raw import framing
from broker.testing.raw.reader import RawReader, read_body, read_head

Handler = Callable[[RawReader, StreamWriter], Awaitable[None]]
Script = bytes | Sequence[bytes] | Handler


@dataclass
class Connection:
    """One accepted connection."""

    reader: RawReader
    writer: StreamWriter
    open: bool = True

    @property
    def received(self) -> bytes:
        """Every byte that arrived."""
        return bytes(self.reader.received)

    @property
    def requests(self) -> list[bytes]:
        """The complete requests that arrived."""
        return self.reader.requests

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS object, for its version, cipher and client certificate."""
        found: ssl.SSLObject | None = self.writer.get_extra_info("ssl_object")
        return found


class RawUpstream:
    """Answers by a script: an async handler, one canned response for all, or a sequence, the last repeated.

    Canned responses follow complete requests; `Expect: 100-continue` is answered before the body is read.
    What a handler raises, beyond a lost connection, is raised again when the upstream is left.
    """

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        """Prepare; a TLS context comes from `contexts.server_context`."""
        self._handler = script if callable(script) else self._answer_canned
        self._canned = [script] if isinstance(script, bytes) else [] if callable(script) else list(script)
        self._context = tls
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: list[Connection] = []
        self.errors: list[Exception] = []
        self.port = 0

    @property
    def requests(self) -> list[bytes]:
        """The complete requests over all connections, each as raw bytes."""
        return [request for connection in self.connections for request in connection.requests]

    async def __aenter__(self) -> Self:
        """Listen on a free port, or on the one used before."""
        self._server = await asyncio.start_server(
            self._accept, self._host, self.port, ssl=self._context, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Stop, and raise what a handler raised unless something else went wrong already."""
        await self.stop()
        if error is None and self.errors:
            raise self.errors[0]

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        self._server.close()
        self.abort_connections()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def abort_connections(self) -> None:
        """Cut the connections that are open, and go on listening."""
        for connection in self.connections:
            if connection.open:
                connection.writer.transport.abort()

    def _accept(self, stream: StreamReader, writer: StreamWriter) -> None:
        connection = Connection(RawReader(stream.read), writer)
        self.connections.append(connection)
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection) -> None:
        try:
            await self._handler(connection.reader, connection.writer)
        except (OSError, IncompleteReadError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            connection.open = False
            connection.writer.close()
            with suppress(OSError):
                await connection.writer.wait_closed()

    async def _answer_canned(self, reader: RawReader, writer: StreamWriter) -> None:
        while head := await read_head(reader):
            if framing.headers(head, b"expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            reader.requests.append(head + await read_body(reader, head))
            response = self._canned.pop(0) if len(self._canned) > 1 else self._canned[0]
            writer.write(response)
            await writer.drain()
            if framing.ends_connection(response):
                return
