"""What a call that may not be made is told."""

from broker.core.errors import BrokerError
from broker.policy.rate import retry_after


def refusal(code: str, seconds: float, detail: str = "", *, cause: str = "") -> BrokerError:
    """`rate_limited`, `circuit_open` or `overloaded`, with the seconds after which a retry may succeed."""
    return BrokerError(code, detail, cause=cause, headers=(("Retry-After", str(retry_after(seconds))),))
