"""Several credentials on one route: one that converses, and any number that are simply there."""

from collections.abc import Sequence

from broker.core.message import Line
from broker.credentials.flow import Call, Flow, Injector, Send, Step, Transform


class Combined:
    """Brings all of them into each attempt; the last one named in `converses` sees the answers."""

    type = "several"

    def __init__(self, constant: Sequence[Injector], conversing: Injector) -> None:
        every = [*constant, conversing]
        self._constant = constant
        self._conversing = conversing
        self.fields = frozenset[bytes]().union(*(one.fields for one in every))
        self.query_fields = frozenset[bytes]().union(*(one.query_fields for one in every))
        self.preview: tuple[Line, ...] = tuple(line for one in every for line in one.preview)
        self.bound = conversing.bound
        self.holds_body = any(one.holds_body for one in every)
        self.hashes_body = any(one.hashes_body for one in every)
        transforms = [one.transform for one in every if one.transform is not None]
        self.transform: Transform | None = transforms[0] if transforms else None

    def flow(self, call: Call) -> Flow:
        """See `Injector.flow`."""
        constant = [sent for one in self._constant if isinstance(sent := next(one.flow(call)), Send)]
        inner = self._conversing.flow(call)
        try:
            step: Step = next(inner)
            while True:
                try:
                    result = yield _merged(step, constant) if isinstance(step, Send) else step
                except GeneratorExit:
                    raise
                except BaseException as error:
                    # What was asked for failed: the flow that asked has to know, as others may wait for it.
                    step = inner.throw(error)
                else:
                    step = inner.send(result)
        except StopIteration:
            return
        finally:
            inner.close()


def _merged(step: Send, constant: list[Send]) -> Send:
    if not constant:
        return step
    every = [step, *constant]
    return Send(
        tuple(line for one in every for line in one.lines),
        b"&".join(one.query for one in every if one.query),
        b"; ".join(one.cookie for one in every if one.cookie),
        step.without_body,
        step.watch,
        step.peek,
    )
