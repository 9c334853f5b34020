"""When which client makes a call: an open loop, whose calls come no later because others take long."""

import random
from itertools import accumulate

from bench.overload.scenario import Scenario

Arrival = tuple[float, int]
"""Seconds from the start, and the number of the client."""


def arrivals(scenario: Scenario) -> list[Arrival]:
    """A Poisson process at the rate of each phase; the same for every run with the same seed."""
    dice = random.Random(scenario.seed)
    clients = sum(scenario.clients)
    rate = scenario.capacity
    phases = ((scenario.before, scenario.calm), (scenario.during, scenario.overload), (scenario.after, scenario.calm))
    found: list[Arrival] = []
    begin = 0.0
    for seconds, factor in phases:
        at, end = begin, begin + seconds
        while (at := at + dice.expovariate(rate * factor)) < end:
            found.append((at, dice.randrange(clients)))
        begin = end
    return found


def priority_of(scenario: Scenario, client: int) -> int:
    """0 for high, 1 for medium, 2 for low: the clients are numbered in this order."""
    return next(at for at, end in enumerate(accumulate(scenario.clients)) if client < end)
