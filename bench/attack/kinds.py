"""The kinds of attackers: what each sends, how slowly, and how it waits."""

from dataclasses import dataclass

_HEAD = b"%b %b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: slow/1\r\n"


@dataclass(frozen=True)
class Kind:
    """One way to hold a connection at next to no cost. Times in seconds."""

    name: str
    label: str
    first: bytes
    """Sent as soon as TLS is up."""
    more: bytes
    """Sent again every `every`."""
    every: float
    takes: int = 0
    """Bytes of TLS records that are read every `every`; 0: nothing is left unread."""
    finishes: bool = True
    """Whether its handshake comes to an end."""


KINDS = (
    Kind("head", "slow head: a byte every 3 s", _HEAD % (b"GET", b"/") + b"X-Slow: ", b"x", 3.0),
    Kind(
        "body",
        "slow body: 3 bytes a second of 10 MB",
        _HEAD % (b"POST", b"/") + b"Content-Type: text/xml\r\nContent-Length: 10000000\r\n\r\n",
        b"xxx",
        1.0,
    ),
    Kind(
        "reader",
        "slow reader: 16 bytes a second of 4 MB",
        _HEAD % (b"GET", b"/bytes/4000000") + b"\r\n",
        b"",
        1.0,
        16,
    ),
    Kind("handshake", "handshake that stops after the client's hello", b"", b"", 3.0, finishes=False),
)

MIX = tuple(kind for kind in KINDS for _ in range(1 if kind.takes else 3))
"""What ten attackers are. Slow readers are few: more of them fill what the kernel gives to TCP (`tcp_mem`), and then
everybody on the machine stands still, with any proxy."""
