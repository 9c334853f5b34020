"""How much a service is given: rates, concurrency, queue, breaker, retries."""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from broker.config.base import Model, setting
from broker.config.scalars import Timeout
from broker.core.rates import RATE, Rate, parse_rate

_PERCENT: Final = r"^(100|[0-9]{1,2}(\.[0-9]{1,6})?)%$"


def parse_share(value: object) -> float:
    """A share of 1 from `20%`, `12.5%` or a number below 1 such as 0.2; raises `ValueError`."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
        return float(value)
    # A whole 1 could be meant as 1% or as all: so it is written as one of these.
    if not isinstance(value, str) or not re.fullmatch(_PERCENT, value, re.ASCII) or value.endswith("\n"):
        raise ValueError("expected a share such as 20% or 12.5%, or a number below 1 such as 0.2")
    return float(value[:-1]) / 100


RateSetting = Annotated[Rate, PlainValidator(parse_rate), WithJsonSchema({"type": "string", "pattern": RATE})]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": _PERCENT}, {"type": "number", "minimum": 0, "exclusiveMaximum": 1}]}
    ),
]
"""A share of 1."""
PriorityName = Literal["high", "medium", "low"]

RetryOn = Literal["connect_failed", "reset", "429", "502", "503", "504"]


def _retry_on(value: Any) -> Any:
    # Statuses are numbers in YAML.
    return [str(item) if type(item) is int else item for item in value] if isinstance(value, list) else value


class Retry(Model):
    """When a failed call is made again; never where it could happen twice."""

    attempts: int = setting(2, "Attempts at a call in all.", ge=1, le=10)
    on: Annotated[list[RetryOn], BeforeValidator(_retry_on), Field(min_length=1)] = setting(
        ["connect_failed", "reset"],
        "connect_failed: nothing was sent. reset: no byte of an answer came; and statuses. All but connect_failed for "
        "idempotent calls only.",
    )
    budget: Share = setting("20%", "Retries as a share of the recent calls to this upstream.")
    backoff: Timeout = setting("100ms", "Longest wait before the first retry; doubled for each that follows.")


class CircuitBreaker(Model):
    """When a target is left alone."""

    failures: int = setting(5, "Failures in a row that open it; 0: only the share counts.", ge=0)
    share: Share | None = setting(None, "Share of failed calls within the window that opens it.")
    window: Timeout = setting("30s", "What the share looks back on; does nothing without a share.")
    calls: int = setting(
        20, "Calls within the window below which a share says nothing; does nothing without a share.", ge=1
    )
    open_for: Timeout = setting("15s", "How long no call is made; then one is let through to see.")
    probes: int = setting(1, "Calls let through to see, all of which have to succeed.", ge=1)


class AdaptiveConcurrency(Model):
    """How many calls at a time a service bears, found out by how long they take."""

    least: int = setting(2, "The limit never falls below it.", ge=1)
    most: int = setting(100, "The limit never rises above it.", ge=1)
    tolerance: Share = setting("25%", "How much longer than on the quiet service a call may take.", gt=0)
    measure_every: Timeout = setting("60s", "How often the quiet service is measured, with `least` calls at a time.")


class Queue(Model):
    """Calls that wait for their turn when as many are under way as may be."""

    size: int = setting(100, "Calls that may wait.", ge=1)
    wait: Timeout = setting("5s", "How long each waits at most.")
