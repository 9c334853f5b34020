"""The choice among an upstream's targets: those of the first priority that can be asked, and of them one."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from broker.policy.balance_pick import Fit, LeastRequests, Member, Picker, PowerOfTwo, Rendezvous, RoundRobin

PICKERS: Final[dict[str, Callable[[], Picker]]] = {
    "round_robin": RoundRobin,
    "least_requests": LeastRequests,
    "power_of_two": PowerOfTwo,
    "hash": Rendezvous,
}
"""Ways to choose, by their names in the configuration."""


class Balancer:
    """Members in groups of equal priority; each group takes its own turns."""

    def __init__(self, members: Sequence[Member], make_picker: Callable[[], Picker] = RoundRobin) -> None:
        if not members or len({member.name for member in members}) != len(members):
            raise ValueError("a balancer needs at least one target, and each of them once")
        self._only = members[0] if len(members) == 1 else None
        self._groups: list[tuple[list[Member], Picker]] = [
            ([member for member in members if member.priority == priority], make_picker())
            for priority in sorted({member.priority for member in members})
        ]

    def pick(self, key: bytes = b"", without: Collection[Member] = ()) -> Member | None:
        """The target for a call, or None when all are down.

        `key` is what `hash` goes by, such as a header's value; `without` are targets that were tried already.
        """
        if self._only is not None:
            return self._only if self._only not in without and self._only.effective() > 0.0 else None
        for members, picker in self._groups:
            fit = [
                Fit(member, weight)
                for member in members
                if member not in without and (weight := member.effective()) > 0.0
            ]
            if len(fit) == 1:
                return fit[0].member
            if fit:
                return picker.pick(fit, key)
        return None
