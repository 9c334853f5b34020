"""What is written while the server renegotiates waits, however much it is, and leaves in its order."""

import ssl
from typing import Any

import pytest

from broker.tls.openssl import OpenSslEngine

MUCH = bytes(range(256)) * 1000


class Renegotiates:
    """An SSL object that takes nothing until it is told to go on."""

    def __init__(self) -> None:
        self.waits = True
        self.taken = b""

    def write(self, data: bytes) -> int:
        if self.waits:
            raise ssl.SSLWantReadError
        self.taken += bytes(data)
        return len(data)


@pytest.mark.parametrize("piece", [1000, 64 * 1024, 100_000, len(MUCH)])
def test_all_that_is_written_meanwhile_leaves_in_its_order(piece: int) -> None:
    engine = OpenSslEngine(ssl.create_default_context(), server_name="legacy.test")
    below: Any = Renegotiates()
    engine._ssl = below
    for at in range(0, len(MUCH), piece):
        engine.write(MUCH[at : at + piece])
    assert engine.held == len(MUCH)
    engine.outgoing()
    assert engine.held == len(MUCH)
    below.waits = False
    engine.outgoing()
    assert (engine.held, below.taken) == (0, MUCH)
