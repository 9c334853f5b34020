"""The service, the load and the runs."""

from dataclasses import dataclass

PRIORITIES = ("high", "medium", "low")


@dataclass(frozen=True)
class Scenario:
    """Counts, seconds, and shares of 1."""

    places: int = 20
    """Calls that the service does well at a time."""
    work: float = 0.1
    """Seconds that a call takes then."""
    overload: float = 3.0
    """Offered load, in capacities, between the calm before and the calm after."""
    calm: float = 0.25
    before: float = 5.0
    during: float = 60.0
    after: float = 20.0
    clients: tuple[int, int, int] = (10, 30, 60)
    """How many clients of each priority; all offer the same load."""
    patience: float = 10.0
    """Seconds after which a client gives a call up."""
    seed: int = 1

    @property
    def capacity(self) -> float:
        """Calls a second that the service does at best."""
        return self.places / self.work

    @property
    def seconds(self) -> float:
        """The length of a run."""
        return self.before + self.during + self.after

    @property
    def shares(self) -> list[float]:
        """Of the offered load, by priority."""
        return [count / sum(self.clients) for count in self.clients]


QUICK = Scenario(before=2.0, during=10.0, after=5.0)


@dataclass(frozen=True)
class Way:
    """How the calls get to the service."""

    name: str
    label: str
    broker: bool
    obey: bool = False
    """Whether a client that was told `Retry-After` sends nothing until then."""
    patience: float | None = None
    """Seconds after which its clients hang up, where they differ from the scenario's."""
    adaptive: bool = False
    """Whether the broker has to find out by itself how many calls at a time the service does well."""
    judged: bool = True
    """Whether the targets hold for it."""


WAYS = (
    Way("direct", "without the broker", broker=False),
    Way("broker", "with the broker", broker=True),
    Way("obeying", "with the broker, clients obey Retry-After", broker=True, obey=True),
    Way("adaptive", "with the broker, nobody told it 20", broker=True, adaptive=True, judged=False),
    Way(
        "impatient",
        "with the broker, clients hang up after 0.4 s",
        broker=True,
        patience=0.4,
        judged=False,
    ),
)
