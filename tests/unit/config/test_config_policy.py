"""Limits and retries that contradict each other are faults of `check`, each at its line."""

import pytest

from broker.config.faults import Fault
from broker.config.load import examine_text, parse_config

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
NOTHING = "idempotent: true"


def faults(upstream: str, route: str = NOTHING) -> list[Fault]:
    return examine_text(TEXT.replace("UPSTREAM", upstream).replace("ROUTE", route))[1]


@pytest.mark.parametrize(
    ("upstream", "route", "line", "message"),
    [
        ("queue: {size: 5}", "deadline: 9s", 6, "calls wait only where `max_concurrency`"),
        ("circuit_breaker: {failures: 0}", "deadline: 9s", 6, "would never open"),
        ("circuit_breaker: {failures: 0, share: 0%}", "deadline: 9s", 6, "would never open"),
        ("circuit_breaker: {calls: 9}", "deadline: 9s", 6, "says nothing without `share`"),
        ("queue: {size: 5, wait: 9s}\n    max_concurrency: 2", "deadline: 9s", 12, "all of it in the queue"),
        (
            "queue: {wait: 90s}\n    max_concurrency: 2",
            NOTHING,
            6,
            "a call may spend all of the 90s in the queue that it",
        ),
        (
            "queue: {wait: 55s}\n    max_concurrency: 2",
            "match: {soap_action: x}",
            6,
            "all of the 55s in the queue that it",
        ),
        ("max_concurrency: 4", "max_concurrency: 5", 11, "is above `max_concurrency` of its upstream, 4"),
        ("adaptive_concurrency: {most: 4}", "max_concurrency: 5", 11, "is above `adaptive_concurrency.most` of its"),
    ],
)
def test_a_contradiction_is_a_fault_at_its_line(upstream: str, route: str, line: int, message: str) -> None:
    found = [fault for fault in faults(upstream, route) if message in str(fault)]
    assert [fault.line for fault in found] == [line], [str(fault) for fault in faults(upstream, route)]


@pytest.mark.parametrize(
    ("upstream", "route", "line", "message"),
    [
        ("retry: {}\n    timeouts: {connect: 3s}", "deadline: 3s", 12, "may take 3s (`timeouts.connect`), and a retry"),
        ("retry: {}\n    timeouts: {connect: 4900ms}", "deadline: 5s", 12, "may take 4.9s (`timeouts.connect`), and a"),
        ("retry: {}\n    timeouts: {connect: 4500ms}", "deadline: 5s", 12, "a retry needs more than 0.5s"),
        ("retry: {}", "deadline: 500ms", 11, "no call is made again: a retry needs more than 0.5s"),
        ("retry: {'on': [503]}", "deadline: 300ms", 11, "no call is made again: a retry needs more than 0.5s"),
        ("retry: {backoff: 3s}", "deadline: 3s", 11, "is no longer than the wait before a retry may be, 3s (`retry."),
        ("retry: {backoff: 90s}", NOTHING, 6, "is no shorter than the 90s that calls have by default"),
        (
            "retry: {backoff: 55s}",
            "match: {soap_action: x}",
            6,
            "is no shorter than the 55s that calls have by default",
        ),
        (
            "timeouts: {connect: 100s}\n    retry: {}",
            NOTHING,
            6,
            "leaves no time for a retry within the 90s that calls",
        ),
        ("timeouts: {connect: 89500ms}\n    retry: {}", NOTHING, 6, "no time for a retry within the 90s that calls"),
        ("timeouts: {connect: 1m}\n    retry: {}", "match: {soap_action: x}", 6, "a retry within the 55s that calls"),
    ],
)
def test_a_retry_that_what_is_written_excludes_is_an_error(upstream: str, route: str, line: int, message: str) -> None:
    found = [fault for fault in faults(upstream, route) if message in str(fault)]
    assert [(fault.line, fault.severity) for fault in found] == [(line, "error")], faults(upstream, route)


@pytest.mark.parametrize(
    ("upstream", "route", "line", "message"),
    [
        ("retry: {attempts: 2}", "deadline: 2s", 11, "may take 5s (`timeouts.connect`, by default), and a retry needs"),
        ("retry: {}\n    timeouts: {idle: 1s}", "deadline: 5500ms", 12, "may take 5s (`timeouts.connect`, by default)"),
        ("retry: {backoff: 6s}", "deadline: 9s", 6, "no wait is longer than 5s"),
        ("retry: {backoff: 6s, attempts: 1}", "deadline: 9s", 6, "no wait is longer than 5s"),
        ("timeouts: {connect: 1m}\n    retry: {}", NOTHING, 6, "no time for a retry within the 55s that SOAP calls"),
    ],
)
def test_what_a_default_leaves_no_time_for_is_a_warning(upstream: str, route: str, line: int, message: str) -> None:
    [found] = faults(upstream, route)
    assert (found.line, found.severity) == (line, "warning")
    assert message in str(found)


@pytest.mark.parametrize(
    ("upstream", "route"),
    [
        ("retry: {attempts: 1}", "deadline: 3s"),
        ("retry: {attempts: 1}\n    timeouts: {connect: 3s}", "deadline: 300ms"),
        ("retry: {attempts: 2}", "deadline: 6s"),
        ("retry: {}\n    timeouts: {connect: 4400ms}", "deadline: 5s"),
        ("retry: {'on': [reset, 503]}\n    timeouts: {connect: 5s}", "deadline: 2s"),
        ("retry: {}", "deadline: 5501ms"),
        ("retry: {backoff: 5s}", "deadline: 6s"),
        ("retry: {}\n    timeouts: {connect: 100s}", "deadline: 200s"),
        ("retry: {}\n    timeouts: {connect: 54s}", NOTHING),
        ("queue: {size: 5}", "max_concurrency: 2"),
        ("queue: {wait: 100s}\n    max_concurrency: 2", "deadline: 101s"),
        ("queue: {wait: 89s}\n    max_concurrency: 2", NOTHING),
        ("max_concurrency: 4", "max_concurrency: 4"),
        ("circuit_breaker: {failures: 5, window: 30s, open_for: 15s}", "deadline: 9s"),
        ("circuit_breaker: {failures: 0, share: 50%, calls: 9}", "deadline: 9s"),
        ("retry: {attempts: 2, on: [connect_failed, reset, 502, 503], budget: 20%}", "deadline: 55s"),
    ],
)
def test_what_fits_is_no_fault(upstream: str, route: str) -> None:
    assert [str(fault) for fault in faults(upstream, route)] == []


@pytest.mark.parametrize(
    ("share", "expected"),
    [("20%", 0.2), ("12.5%", 0.125), ("0%", 0), ("100%", 1), ("0.2", 0.2), ("0", 0), ('"7.25%"', 0.0725)],
)
def test_a_share_is_in_percent_or_a_number_below_one(share: str, expected: float) -> None:
    retry = parse_config(TEXT.replace("UPSTREAM", f"retry: {{budget: {share}}}").replace("ROUTE", NOTHING))
    found = retry.upstreams["u"].retry
    assert found is not None
    assert found.budget == pytest.approx(expected)


@pytest.mark.parametrize(
    "share", ["1", "1.0", "-0.1", ".nan", "true", '"0.2"', "101%", "100.5%", "12.%", ".5%", '"5%\\n"']
)
def test_anything_else_is_no_share(share: str) -> None:
    [found] = faults(f"retry: {{budget: {share}}}")
    assert str(found).startswith("routes.yaml:6: upstreams.u.retry.budget: expected a share such as 20% or 12.5%")
