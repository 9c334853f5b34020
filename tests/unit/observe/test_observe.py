"""What is counted, timed and logged is what the documents say, and holds no secret."""

import asyncio
import io
import json
import logging
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.alarms import AlarmWheel
from broker.core.exchange import Exchange
from broker.core.heads import RequestHead
from broker.observe.access_log import AccessLog
from broker.observe.finish import Observer
from broker.observe.logs import JsonFormatter
from broker.observe.metrics import BrokerCollector
from broker.observe.redact import MASK, Redactor
from broker.observe.request_ids import request_id
from broker.observe.sources import CertificateDate, ReviewDate, SecretState, SharedLimitsState, UpstreamState
from broker.observe.tally import BOUNDS, Histogram, Tallies

Call = Callable[..., Exchange]
CONTRACT = {
    "broker_requests_total": {"route", "method", "status"},
    "broker_request_duration_seconds_bucket": {"route", "le"},
    "broker_upstream_duration_seconds_bucket": {"upstream", "le"},
    "broker_requests_in_flight": {"route"},
    "broker_errors_total": {"route", "code"},
    "broker_caller_requests_total": {"caller", "outcome"},
    "broker_upstream_connections": {"upstream", "state"},
    "broker_upstream_tls_handshakes_total": {"upstream", "protocol", "cipher"},
    "broker_upstream_retries_total": {"upstream", "reason"},
    "broker_circuit_state": {"upstream", "target"},
    "broker_upstream_target_healthy": {"upstream", "target"},
    "broker_upstream_calls_waiting": {"upstream"},
    "broker_upstream_concurrency_limit": {"upstream"},
    "broker_held_body_bytes": set(),
    "broker_certificate_not_after_timestamp_seconds": {"place", "subject"},
    "broker_tls_exception_review_timestamp_seconds": {"upstream"},
    "broker_secret_refresh_total": {"provider", "outcome"},
    "broker_secret_age_seconds": {"provider", "reference"},
    "broker_limits_store_up": set(),
    "broker_limits_store_fallback_total": set(),
    "broker_connections": {"listener"},
    "broker_connections_refused_total": {"listener", "reason"},
    "broker_config_reload_total": {"outcome"},
    "broker_config_last_reload_success_timestamp_seconds": set(),
    "broker_config_last_reload_successful": set(),
    "broker_idempotency_keys": set(),
    "broker_idempotent_replays_total": {"route"},
    "broker_build_info": {"version", "python", "openssl"},
}
NASTY = 'pä/ss "w\\rd'
FIELDS = [
    "time",
    "level",
    "event",
    "request_id",
    "listener",
    "route",
    "caller",
    "method",
    "path",
    "status",
    "code",
    "peer",
    "duration_ms",
    "upstream",
    "upstream_ms",
    "bytes_in",
    "bytes_out",
    "aborted",
    "replayed",
]


def finished(tallies: Tallies, exchange: Exchange, log: AccessLog | None = None) -> None:
    exchange.plan = SimpleNamespace(name="r", upstream=SimpleNamespace(name="u"))
    exchange.caller = "c"
    observer = Observer(tallies, log)
    tally = observer.begin(exchange)
    exchange.status, exchange.code, exchange.upstream_seconds = 502, "upstream_tls_failed", 0.2
    observer.finish(exchange, tally, exchange.started + 0.3, aborted=False)


def test_metrics_and_labels_are_those_of_the_contract(call: Call) -> None:
    tallies = Tallies()
    tallies.refused_connections["l", "total"] = 1
    finished(tallies, call(method=b"POST"))
    state = UpstreamState(
        "u", 1, 2, {("TLSv1", "AES128-SHA"): 1}, {"stale_connection": 1}, {"h:443": 0}, healthy={"h:443": True}, limit=4
    )
    collector = BrokerCollector(
        tallies,
        lambda: [state],
        lambda: [CertificateDate("p", "s", 1.0)],
        lambda: [ReviewDate("u", 1.0)],
        secrets=lambda: SecretState({("vault", "failed"): 1}, [("vault", "vault:kv/a#b", 1.0)]),
        limits_store=lambda: SharedLimitsState(up=True, fallbacks=1),
        connections=lambda: {"l": 1},
    )
    seen = {sample.name: set(sample.labels) for family in collector.collect() for sample in family.samples}
    assert {name: seen.get(name) for name in CONTRACT} == CONTRACT


def test_a_call_is_counted_once_and_no_longer_in_flight(call: Call) -> None:
    tallies = Tallies()
    finished(tallies, call(method=b"POST"))
    tally = tallies.routes["r"]
    assert tally.requests == {(b"POST", 502): 1}
    assert tally.errors == {"upstream_tls_failed": 1}
    assert tally.in_flight == 0
    assert tallies.upstreams["u"].total == pytest.approx(0.2)


def test_a_caller_cannot_invent_a_label(call: Call) -> None:
    tallies = Tallies()
    finished(tallies, call(method=b"EVIL"))
    assert list(tallies.routes["r"].requests) == [(b"OTHER", 502)]


@given(st.lists(st.floats(0, 100)))
def test_histogram_buckets_are_cumulative_and_inclusive(durations: list[float]) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.observe(seconds)
    expected = [float(sum(seconds <= bound for seconds in durations)) for bound in BOUNDS]
    assert [count for _, count in histogram.buckets()] == [*expected, float(len(durations))]
    assert histogram.buckets()[-1][0] == "+Inf"


async def test_the_access_log_has_the_documented_fields_and_no_query(call: Call) -> None:
    out = io.StringIO()
    log = AccessLog(AlarmWheel(asyncio.get_running_loop()), Redactor(), out)
    finished(Tallies(), call(method=b"POST", target=b'/a"\\\xff\x7f?key=s3cret'), log)
    log.flush()
    assert "s3cret" not in out.getvalue()
    entry = json.loads(out.getvalue())
    assert list(entry) == FIELDS
    assert entry["path"] == '/a"\\\ufffd\x7f'
    assert (entry["route"], entry["upstream"], entry["status"]) == ("r", "u", 502)
    assert (entry["duration_ms"], entry["upstream_ms"]) == (300, 200)


async def test_the_access_log_says_null_where_no_route_matched(call: Call) -> None:
    out = io.StringIO()
    log = AccessLog(AlarmWheel(asyncio.get_running_loop()), Redactor(), out)
    log.write(call(), 0.001, aborted=True)
    await asyncio.sleep(0.4)
    entry = json.loads(out.getvalue())
    assert (entry["route"], entry["upstream"], entry["upstream_ms"], entry["code"]) == (None, None, None, None)
    assert entry["aborted"] is True


@given(st.binary(min_size=6, max_size=40), st.binary(max_size=5), st.binary(max_size=5))
def test_a_secret_is_masked_in_base64_wherever_it_stands(secret: bytes, before: bytes, after: bytes) -> None:
    redactor = Redactor()
    redactor.add(secret)
    for encode in (b64encode, urlsafe_b64encode):
        assert MASK in redactor.redact(encode(before + secret + after).decode())


@pytest.mark.parametrize("form", [str, quote, lambda text: quote(text, safe=""), json.dumps])
def test_a_secret_is_masked_raw_and_quoted(form: Callable[[str], str]) -> None:
    redactor = Redactor()
    redactor.add(NASTY.encode())
    assert redactor.redact(f"<{form(NASTY)}>").strip('<>"') == MASK


def test_very_short_values_are_left_alone() -> None:
    redactor = Redactor()
    redactor.add(b"a")
    assert redactor.redact("a cat") == "a cat"


def test_a_log_line_is_json_without_secrets_in_any_member() -> None:
    redactor = Redactor()
    redactor.add(b"12345")
    record = logging.makeLogRecord({"msg": "key %s", "args": ("12345",), "levelname": "WARNING", "name": "x"})
    record.event, record.port, record.more = "e", 123456, {"k": ["is 12345"]}
    entry = json.loads(JsonFormatter(redactor).format(record))
    assert (entry["level"], entry["event"], entry["message"]) == ("warning", "e", "key ***")
    assert (entry["port"], entry["more"]) == (123456, {"k": ["is ***"]})


def test_a_traceback_is_masked_too() -> None:
    redactor = Redactor()
    redactor.add(b"s3cret")
    try:
        raise ValueError("s3cret")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
    entry = json.loads(JsonFormatter(redactor).format(logging.makeLogRecord({"msg": "m", "exc_info": info})))
    assert "s3cret" not in entry["traceback"]


@pytest.mark.parametrize("given_id", [b"abc-1", b"x" * 128])
def test_a_sound_request_id_is_kept(given_id: bytes) -> None:
    assert request_id(RequestHead(b"GET", b"/", False, [], request_id=given_id)) == given_id.decode()


@pytest.mark.parametrize("given_id", [b"", b"x" * 129, b'a"b', b"a b", b"\xff", b"a\n"])
def test_any_other_request_id_is_replaced_by_one_of_our_own(given_id: bytes) -> None:
    head = RequestHead(b"GET", b"/", False, [], request_id=given_id)
    assert request_id(head) != request_id(head)


def test_a_retired_secret_is_masked_for_a_while_and_not_for_ever() -> None:
    redactor = Redactor()
    redactor.add(b"current-one")
    for number in range(200):
        redactor.add(f"rotated-{number:03}".encode())
        redactor.retire(f"rotated-{number:03}".encode())
    assert redactor.redact("current-one rotated-199") == f"{MASK} {MASK}"
    assert redactor.redact("rotated-000") == "rotated-000"
    redactor.add(b"rotated-199")
    for number in range(200, 400):
        redactor.add(f"rotated-{number:03}".encode())
        redactor.retire(f"rotated-{number:03}".encode())
    assert redactor.redact("rotated-199") == MASK


OUTCRY = """
import logging, sys, threading, warnings
from broker.observe.logs import set_up_logging
from broker.observe.redact import Redactor
redactor = Redactor()
redactor.add(b"s3cret-value")
set_up_logging("debug", redactor)
logging.getLogger("x").warning("%d", "s3cret-value")
logging.getLogger("x").warning("here", stack_info=True)
warnings.warn("s3cret-value")
def fail(): raise ValueError("s3cret-value")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_nothing_that_goes_wrong_prints_a_secret() -> None:
    done = subprocess.run([sys.executable, "-c", OUTCRY], capture_output=True, text=True, timeout=30)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["log_failed", "x", "py.warnings", "uncaught", "uncaught"]
    assert "ValueError: ***" in lines[-1]["traceback"]
    assert "s3cret-value" not in done.stderr
    assert done.stdout == ""
