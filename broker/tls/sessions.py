"""TLS sessions to resume: a full handshake is the dearest thing an old server does."""

from typing import Generic, Protocol, TypeVar

S = TypeVar("S")


class Slot(Protocol[S]):
    """Where the session of one server is kept."""

    session: S | None


class _Slot(Generic[S]):
    __slots__ = ("session",)

    def __init__(self) -> None:
        self.session: S | None = None


class Sessions(Generic[S]):
    """The latest session of each server, by host and port."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, int], _Slot[S]] = {}

    def of(self, host: str, port: int) -> Slot[S]:
        """The slot of a server."""
        return self._slots.setdefault((host, port), _Slot())
