"""Limits and retries that contradict each other are faults of `check`, each at its line."""

import pytest

from broker.config.faults import Fault
from broker.config.load import examine_text

TEXT = """version: 1
listeners: {a: {bind: "127.0.0.1:0", tls: {certificates: [{chain: a.crt, key: a.key}]}}}
upstreams:
  u:
    targets: [http://127.0.0.1]
    UPSTREAM
routes:
  - name: r
    callers: public
    upstream: u
    ROUTE
"""


def faults(upstream: str, route: str = "idempotent: true") -> list[Fault]:
    return examine_text(TEXT.replace("UPSTREAM", upstream).replace("ROUTE", route))[1]


@pytest.mark.parametrize(
    ("upstream", "route", "line", "message"),
    [
        ("retry: {attempts: 2}", "deadline: 3s", 11, "leaves no time for a retry: connecting alone may take 5s"),
        ("retry: {attempts: 2}\n    timeouts: {connect: 100ms}", "deadline: 300ms", 12, "a retry needs more than 0.5s"),
        (
            "timeouts: {connect: 100s}\n    retry: {attempts: 2}",
            "idempotent: true",
            6,
            "no time for a retry within 90s",
        ),
        ("queue: {size: 5}", "deadline: 9s", 6, "calls wait only where `max_concurrency`"),
        ("circuit_breaker: {failures: 0}", "deadline: 9s", 6, "would never open"),
        ("circuit_breaker: {failures: 0, share: 0%}", "deadline: 9s", 6, "would never open"),
        ("circuit_breaker: {calls: 9}", "deadline: 9s", 6, "says nothing without `share`"),
        ("queue: {size: 5, wait: 9s}\n    max_concurrency: 2", "deadline: 9s", 12, "all of it in the queue"),
    ],
)
def test_a_contradiction_is_a_fault_at_its_line(upstream: str, route: str, line: int, message: str) -> None:
    found = [fault for fault in faults(upstream, route) if message in str(fault)]
    assert [fault.line for fault in found] == [line], [str(fault) for fault in faults(upstream, route)]


@pytest.mark.parametrize(
    ("upstream", "route"),
    [
        ("retry: {attempts: 1}", "deadline: 3s"),
        ("retry: {attempts: 2}", "deadline: 6s"),
        ("queue: {size: 5}", "max_concurrency: 2"),
        ("circuit_breaker: {failures: 5, window: 30s, open_for: 15s}", "deadline: 9s"),
        ("circuit_breaker: {failures: 0, share: 50%, calls: 9}", "deadline: 9s"),
        ("retry: {attempts: 2, on: [connect_failed, reset, 502, 503], budget: 20%}", "deadline: 55s"),
    ],
)
def test_what_fits_is_no_fault(upstream: str, route: str) -> None:
    assert [str(fault) for fault in faults(upstream, route)] == []
