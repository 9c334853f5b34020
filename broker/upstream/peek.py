"""A look at a socket that takes nothing from it."""

import socket
from typing import Final

_PEEK: Final = int(socket.MSG_PEEK) | int(socket.MSG_DONTWAIT)


def quiet(sock: socket.socket) -> bool:
    """Whether the kernel holds neither an end of the connection nor unread bytes."""
    try:
        sock.recv(1, _PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
