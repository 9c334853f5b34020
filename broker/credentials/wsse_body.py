"""A body whose beginning is altered on its way, and whose rest passes untouched."""

import asyncio

from broker.core.body import Body, BodyBelow
from broker.core.errors import BrokerError
from broker.core.secret import SecretUnavailable
from broker.credentials.wsse_envelope import Opening
from broker.credentials.wsse_layout import EnvelopeError


async def altered(body: Body, opening: Opening) -> Body:
    """The body to send instead; raises `BrokerError`."""
    passing = _Passing(body, opening)
    try:
        body.drain(passing)
        await passing.settled
    except BaseException:
        body.abandon()
        raise
    return passing.out


class _Passing:
    """Between the body that comes and the one that goes out."""

    def __init__(self, under: Body, opening: Opening) -> None:
        self.out: Body = _Altered(under)
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opening: Opening | None = opening
        self._failed = False

    def write(self, data: bytes) -> None:
        """More of the body under this one."""
        if self._opening is None:
            self.out.feed(data)
        elif not self._failed:
            # What follows a failure is taken and dropped, so that the caller gets to read why.
            self._open(data, last=False)

    def finish(self) -> None:
        """The body is complete."""
        if self._opening is not None and not self._failed:
            self._open(b"", last=True)
        if self._opening is None:
            self.out.finish()

    def fail(self, error: Exception) -> None:
        """The body broke off."""
        if self._opening is None:
            self.out.fail(error)
        elif not self._failed:
            self._settle(BrokerError("bad_request", "The body broke off."))

    def _open(self, data: bytes, *, last: bool) -> None:
        assert self._opening is not None  # noqa: S101 - whoever calls this has looked
        try:
            begun = self._opening.feed(data, last=last)
        except EnvelopeError as error:
            self._settle(BrokerError("bad_request", str(error)))
            return
        except SecretUnavailable as error:
            self._settle(BrokerError("credentials_unavailable", cause=str(error)))
            return
        if begun is not None:
            self._opening = None
            self.out.feed(begun)
            self._settle(None)

    def _settle(self, error: BrokerError | None) -> None:
        self._failed = error is not None
        if self.settled.done():
            return
        if error is None:
            self.settled.set_result(None)
        else:
            self.settled.set_exception(error)


class _Altered(Body):
    """The body that goes out."""

    __slots__ = ("_under",)

    def __init__(self, under: Body) -> None:
        super().__init__(BodyBelow(under))
        self._under = under

    def abandon(self) -> None:
        self._under.abandon()
