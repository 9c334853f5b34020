"""The stream between a transport and an engine that cannot always encrypt."""

from typing import Any

from broker.tls.stream import SecureStream


class Transport:
    """A transport that takes everything at once."""

    def __init__(self) -> None:
        self.sent = b""

    def set_write_buffer_limits(self, high: int) -> None:
        """Nothing is buffered."""

    def write(self, data: bytes) -> None:
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


class Renegotiating:
    """An engine that holds back what is written until it is told to go on."""

    def __init__(self) -> None:
        self.renegotiates = True
        self.kept = b""

    @property
    def held(self) -> int:
        return len(self.kept)

    def attach(self, wake: object) -> None:
        """It needs no waking."""

    def handshake(self) -> bool:
        return True

    def feed(self, data: bytes) -> None:
        """Whatever comes."""

    def read(self) -> None:
        """Nothing for the one above."""

    def write(self, data: bytes) -> bytes:
        self.kept += data
        return self.outgoing()

    def outgoing(self) -> bytes:
        if self.renegotiates:
            return b""
        kept, self.kept = self.kept, b""
        return kept


class Stream(SecureStream):
    """Counts how often it may write again."""

    resumed = 0

    def writable(self) -> None:
        self.resumed += 1


def test_what_a_renegotiation_holds_back_counts_as_waiting() -> None:
    engine: Any = Renegotiating()
    transport: Any = Transport()
    stream = Stream(engine)
    stream.connection_made(transport)
    stream.send(b"x" * 1000)
    assert (stream.write_blocked, stream.waiting, transport.sent) == (True, 1000, b"")
    engine.renegotiates = False
    stream.data_received(b"the end of it")
    assert (stream.write_blocked, stream.waiting, stream.resumed) == (False, 0, 1)
    assert transport.sent == b"x" * 1000
    stream.send(b"y")
    assert transport.sent.endswith(b"y")
