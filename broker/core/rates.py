"""Rates, as routes.yaml writes them."""

import re
from dataclasses import dataclass
from math import ceil, inf
from typing import Final

RATE: Final = r"^[0-9]{1,9}/(s|m|h)( burst [0-9]{1,9})?$"
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_TAKEN: Final = re.compile(r"([0-9]{1,9})/([smh])(?: burst ([0-9]{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls per second in the long run, and how many may come at once."""

    per_second: float
    burst: float

    def __post_init__(self) -> None:
        if not 0 < self.per_second < inf or not 1 <= self.burst < inf:
            raise ValueError("a rate is more than 0 a second, and its burst at least 1")


def parse_rate(value: object) -> Rate:
    """The rate of `100/s`, `600/m`, `5000/h` or `10/s burst 20`; raises `ValueError`.

    Without a burst, what one second brings may come at once, and never less than one call.
    """
    found = _TAKEN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("expected a rate such as 100/s, 600/m, 5000/h or 10/s burst 20")
    per_second = int(found[1]) / _SECONDS[found[2]]
    if not per_second:
        raise ValueError("expected a rate of more than 0, such as 1/m")
    if found[3] is None:
        return Rate(per_second, max(1, ceil(per_second)))
    if int(found[3]) < 1:
        raise ValueError("expected a burst of at least 1: with 0, no call could ever pass")
    return Rate(per_second, int(found[3]))
