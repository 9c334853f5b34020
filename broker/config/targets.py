"""Which of several targets is asked, and how the broker finds out that one is down."""

from typing import Annotated, Literal

from pydantic import Field

from broker.config.base import Model, setting
from broker.config.credentials_form import Target as RequestTarget
from broker.config.scalars import Timeout

Balance = Literal["round_robin", "least_requests", "power_of_two", "hash"]
Weight = Annotated[int, Field(ge=1, le=1000)]
Status = Annotated[int, Field(ge=200, le=599)]


class Ejection(Model):
    """When calls show that a target is down: it is passed over for a while."""

    failures: int = setting(
        3,
        "Failures in a row: connections, TLS handshakes and answers that did not come, and answers 502, 503 and 504. "
        "0: none ejects.",
        ge=0,
    )
    time: Timeout = setting("10s", "How long, the first time; as long again for each time that follows in a row.")
    most: Timeout = setting("5m", "Where that stops growing.")


class HealthCheck(Model):
    """A question that each target is asked now and then, on a connection of its own and without credentials."""

    path: RequestTarget | None = setting(
        None, "What to GET, with a query if need be; absent: nothing, a connection is enough, for https with TLS."
    )
    interval: Timeout = setting("10s", "Between two checks of a target, give or take a tenth.")
    timeout: Timeout = setting("2s", "For the whole check.")
    expect: list[Status] = setting([200], "Statuses of a good answer; redirects are not followed.", min_length=1)
    body: Annotated[str, Field(min_length=1)] | None = setting(
        None, "Text that stands in the first 64 KiB of a good answer."
    )
    rise: int = setting(2, "Good checks in a row after which a target that was down is up.", ge=1)
    fall: int = setting(3, "Bad checks in a row after which it is down.", ge=1)
