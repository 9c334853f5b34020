"""Callers that sign the body of each request with a shared secret."""

import hmac
from collections.abc import Sequence
from functools import partial
from time import time

from broker.callers.replay import Replays
from broker.callers.secrets import Held, current
from broker.callers.signatures import MalformedSignature, SignatureForm, Signed
from broker.callers.verdict import ADMITTED, Finding, Later, Verdict
from broker.callers.whole_body import BodyHolder
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange

_TOTAL = 16
"""How many of the largest bodies may wait unchecked at the same time."""


class HmacCheck:
    """Looks at everything that stands in the head first: only then is the body read, and held until it is checked."""

    consumed_query: frozenset[bytes] = frozenset()
    guarded: frozenset[bytes] = frozenset()
    cost = 2

    def __init__(self, form: SignatureForm, secret: Held, *, window: float, once: bool, max_body: int) -> None:
        self._form = form
        self._secret = secret
        self._window = window
        # A time may be ahead by the window, and is good for another one.
        self.replays = Replays(2 * window) if once else None
        self.bodies = BodyHolder(max_body, max_body * _TOTAL)
        self._challenges = (f'HMAC realm="broker", header="{form.header.decode()}"',)
        self._absent = Verdict(Finding.ABSENT, self._challenges)
        self._late = self._wrong("The timestamp is too far from the broker's clock.")
        self.consumed = form.consumed

    def judge(self, exchange: Exchange) -> Verdict | Later:
        try:
            signed = self._form.read(exchange.head)
        except MalformedSignature as malformed:
            return self._wrong(str(malformed))
        if signed is None:
            return self._absent
        if not self._timely(signed):
            return self._late
        if self.replays is not None and self.replays.full:
            return Verdict(Finding.UNKNOWN, error=BrokerError("rate_limited", headers=(("Retry-After", "1"),)))
        if exchange.body is None:
            return self._compare(signed, ())
        return partial(self._with_body, exchange, signed)

    async def _with_body(self, exchange: Exchange, signed: Signed) -> Verdict:
        return self._compare(signed, await self.bodies.whole(exchange))

    def _compare(self, signed: Signed, body: Sequence[bytes]) -> Verdict:
        mac = hmac.new(current(self._secret), signed.before, "sha256")
        for piece in body:
            mac.update(piece)
        digest, found = mac.digest(), 0
        for shown in signed.digests:
            found |= hmac.compare_digest(digest, shown)
        if not found:
            return self._wrong("The signature does not fit.")
        if not self._timely(signed):
            # A body may take so long that an earlier call with this signature is forgotten by now.
            return self._late
        if self.replays is not None and self.replays.seen(digest):
            return self._wrong("The signature was used before.")
        return ADMITTED

    def _timely(self, signed: Signed) -> bool:
        return signed.timestamp is None or abs(time() - signed.timestamp) <= self._window

    def _wrong(self, reason: str) -> Verdict:
        return Verdict(Finding.WRONG, self._challenges, reason)

    def inherit(self, before: "HmacCheck") -> None:
        """Go on with what another one remembers: a reload must let no signature through twice."""
        if self.replays is not None and before.replays is not None:
            before.replays.stretch(2 * self._window)
            self.replays = before.replays

    def close(self) -> None:
        """Nothing goes on."""
