"""How each header field is forwarded, decided once per raw name and remembered."""

from collections.abc import Callable
from typing import Final

from broker.core.message import LONGEST_REMEMBERED

_MOST: Final = 4096
"""Names remembered; callers choose names, so the memory must have a bound."""


class Prefixes(dict[bytes, bytes | None]):
    """Raw field name → `Name: ` to forward it with, or None where the field needs a closer look."""

    def __init__(self, plain: Callable[[bytes], bool]) -> None:
        """`plain` says of a raw name whether the field is simply forwarded."""
        super().__init__()
        self._plain = plain

    def __missing__(self, name: bytes) -> bytes | None:
        prefix = name + b": " if self._plain(name) else None
        if len(self) < _MOST and len(name) <= LONGEST_REMEMBERED:
            self[name] = prefix
        return prefix
