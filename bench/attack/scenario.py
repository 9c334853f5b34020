"""How many connections, how long, how slow."""

from dataclasses import dataclass

UNLOADED, IDLE, ATTACK = "unloaded", "idle", "attack"
PHASES = (UNLOADED, IDLE, ATTACK)
KEPT, FRESH = "kept", "fresh"
CALLS = (KEPT, FRESH)
"""The good caller's calls: on kept connections, and on a connection of their own each."""
PROXIES = ("broker", "nginx")


@dataclass(frozen=True)
class Scenario:
    """Counts, seconds and calls a second."""

    idle: int = 10_000
    attackers: int = 1000
    kept_rate: float = 83.0
    """300,000 records an hour, the largest volume documented for Finance & Operations."""
    fresh_rate: float = 17.0
    """No multiple of the other, so that the two meet in every way there is."""
    window: float = 6.0
    windows: tuple[int, int, int] = (5, 5, 8)
    """Of each phase; the attack goes on long enough for every kind of attacker to be cut off once."""
    ramp: float = 200.0
    """Attackers that connect in a second, at most; those that were cut off included."""


QUICK = Scenario(idle=2000, window=3.0, windows=(2, 2, 4))
