"""What is added to a request on its way to the upstream, decided by its credential for each attempt."""

from dataclasses import dataclass, field

from broker.core.message import Line


@dataclass(frozen=True, slots=True)
class Injection:
    """Additions to a request head; secret, so `repr` shows none of it."""

    lines: tuple[Line, ...] = field(default=(), repr=False)
    query: bytes = field(default=b"", repr=False)
    cookie: bytes = field(default=b"", repr=False)


NO_INJECTION = Injection()
