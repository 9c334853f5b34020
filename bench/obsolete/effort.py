"""How long and how often to measure."""

from dataclasses import dataclass

MIB = 2**20
MB = 1e6


@dataclass(frozen=True)
class Effort:
    """Seconds are those of one measurement; a body is made to take about `bulk_seconds`."""

    rounds: int = 3
    seconds: float = 1.5
    warmup: float = 0.4
    bulk_rounds: int = 2
    bulk_seconds: float = 2.5
    bulk_most: int = 128 * MIB
    raw_bytes: int = 16 * MIB
    stall_seconds: float = 3.0
    handshakes: int = 300


QUICK = Effort(
    rounds=1,
    seconds=0.6,
    warmup=0.2,
    bulk_rounds=1,
    bulk_seconds=0.7,
    bulk_most=64 * MIB,
    raw_bytes=4 * MIB,
    stall_seconds=0.8,
    handshakes=60,
)
