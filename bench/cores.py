"""Which core does what: every proxy on one, the load generator and the upstream on others where there are any."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """Numbers of the cores. On a machine with two, generator and upstream share the second."""

    proxy: int
    generator: int
    upstream: int


def choose_cores() -> Cores:
    """Takes the first three cores this process may use; with fewer, the last one is used again."""
    free = sorted(os.sched_getaffinity(0))
    free += [free[-1]] * (3 - len(free))
    return Cores(*free[:3])
