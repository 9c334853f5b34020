"""An address that swallows whatever is sent to it."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def blackhole() -> Iterator[tuple[socket.socket, ExitStack]]:
    """A listening socket whose backlog is full, so that the kernel drops what comes; and what fills it."""
    with socket.socket() as listening, ExitStack() as filling:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        while True:
            filler = filling.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                filler.connect(listening.getsockname())
            except TimeoutError:
                break
        yield listening, filling
