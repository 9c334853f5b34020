"""`broker probe` against servers of the past: what it says is so, and what it prints reaches them through a broker."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml
from scenario_broker import Start

from broker.config.load import examine_text
from broker.probe.address import parse_address
from broker.probe.budget import Budget
from broker.probe.call import _AROUND
from broker.probe.report import document
from broker.probe.run import Result, probe
from broker.probe.search import Request
from broker.testing.legacy_tls import CASES, Served

Serving = Callable[[str], Served]


@pytest.fixture
def serving(tmp_path: Path) -> Any:
    """Runs a case until the end of the test."""
    running: list[AbstractContextManager[Served]] = []

    def serve(name: str) -> Served:
        case = CASES[name]
        assert case.why_not() is None
        directory = tmp_path / "served"
        directory.mkdir()
        running.append(case.serve(directory))
        return running[-1].__enter__()

    yield serve
    for each in running:
        each.__exit__(None, None, None)


def probed(served: Served, host: str | None = None, **known: Any) -> Result:
    """Probe it, with as little patience as loopback needs."""
    name = host or (f"[{served.host}]" if ":" in served.host else served.host)
    request = Request(parse_address(f"https://{name}:{served.port}{served.path}"), **known)
    return asyncio.run(probe(request, Budget(seconds=30, pace=0.001, timeout=0.5), lambda _: None))


def settings(result: Result) -> dict[str, Any]:
    """The upstream that was printed; `broker check` has nothing to say about it."""
    text = document(result, "probed")["yaml"]
    assert text is not None, result.verdict
    assert examine_text(_AROUND + text)[1] == []
    upstream: dict[str, Any] = yaml.safe_load(text)["upstreams"]["probed"]
    return upstream


def reached(start: Start, result: Result, served: Served) -> dict[str, Any]:
    """What was printed reaches the endpoint through a real broker; gives its `tls` mapping."""
    upstream = settings(result)
    answer = start({"it": upstream}).get(f"/it{served.path}")
    assert (answer.code, answer.status) == (None, served.status), answer.text
    assert served.body in answer.text.encode()
    assert result.connections <= 100
    tls: dict[str, Any] = upstream.get("tls", {})
    return tls


def without_trust(tls: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tls.items() if key not in ("pin_sha256", "ca", "review_by")}


CALLED = [
    ("tls10-aes-cbc", "TLSv1.0", {"profile": "legacy", "legacy_renegotiation": False}),
    ("tls11-only", "TLSv1.1", {"profile": "legacy", "min_version": "TLSv1.1", "legacy_renegotiation": False}),
    ("tls12-rsa-cbc", "TLSv1.2", {}),
    ("tlslite-rc4", "TLSv1.0", {"profile": "obsolete", "min_version": "TLSv1.0", "legacy_renegotiation": False}),
    ("java-6", "TLSv1.0", {"profile": "obsolete", "min_version": "TLSv1.0"}),
    ("tls13-intolerant-reset", "TLSv1.2", {"max_version": "TLSv1.2"}),
    (
        "version-intolerant-alert",
        "TLSv1.0",
        {"profile": "legacy", "legacy_renegotiation": False, "max_version": "TLSv1.0"},
    ),
    ("extension-intolerant-close", "TLSv1.0", {"profile": "legacy", "legacy_renegotiation": False, "hello": "bare"}),
    ("ticket-intolerant-close", "TLSv1.0", {"profile": "legacy", "legacy_renegotiation": False, "hello": "short"}),
    ("suites-over-64-ignored", "TLSv1.0", {"profile": "legacy", "legacy_renegotiation": False, "hello": "short"}),
    (
        "empty-record-intolerant",
        "TLSv1.0",
        {"profile": "obsolete", "min_version": "TLSv1.0", "legacy_renegotiation": False},
    ),
    ("ipv6", "TLSv1.0", {"profile": "legacy", "legacy_renegotiation": False}),
]


@pytest.mark.parametrize(("name", "version", "expected"), CALLED, ids=[name for name, _, _ in CALLED])
def test_the_least_weak_settings_are_found_and_work(
    serving: Serving, start: Start, name: str, version: str, expected: dict[str, Any]
) -> None:
    served = serving(name)
    result = probed(served)
    assert without_trust(reached(start, result, served)) == expected
    assert result.findings.best == version
    assert ("review_by" in settings(result).get("tls", {})) is bool({"profile"} & expected.keys())
    assert result.verdict.startswith("Reached ")


def test_a_certificate_of_a_private_ca_is_pinned_and_with_the_ca_it_is_verified(serving: Serving, start: Start) -> None:
    served = serving("tls12-rsa-cbc")
    pinned = settings(probed(served))["tls"]
    assert pinned == {"pin_sha256": [probed(served).findings.certificate.sha256]}  # type: ignore[union-attr]
    result = probed(served, ca=str(served.ca))
    assert reached(start, result, served) == {"ca": str(served.ca)}


def test_an_expired_certificate_is_pinned_and_said_to_be_expired(serving: Serving, start: Start) -> None:
    served = serving("expired-2011")
    result = probed(served)
    assert "pin_sha256" in reached(start, result, served)
    assert result.findings.certificate is not None
    assert "expired" in result.findings.certificate.faults
    assert "# expired" in document(result, "x")["yaml"]


def test_a_name_that_upsets_the_server_is_not_sent(serving: Serving, start: Start) -> None:
    served = serving("sni-intolerant-alert")
    result = probed(served, "localhost")
    assert reached(start, result, served)["server_name"] == ""
    assert "sni" in result.findings.dislikes
    assert result.findings.sni == "disliked"


def test_a_hello_that_is_too_long_is_made_short_with_good_suites(serving: Serving, start: Start) -> None:
    served = serving("long-hello-hang")
    result = probed(served)
    tls = reached(start, result, served)
    assert tls["hello"] == "short"
    assert "ECDHE-RSA-AES256-GCM-SHA384" in tls["ciphers"]
    assert "profile" not in tls
    assert result.findings.dislikes == ["256 to 511 bytes"]


def test_a_server_that_resets_each_third_connection_is_not_thought_intolerant(serving: Serving, start: Start) -> None:
    served = serving("resets-third")
    result = probed(served)
    assert without_trust(settings(result)["tls"]) == {"profile": "legacy", "legacy_renegotiation": False}
    assert result.findings.dislikes == []
    assert any("drops some connections" in note for note in result.findings.notes)


def test_challenges_and_the_server_are_told(serving: Serving, start: Start) -> None:
    served = serving("http-ntlm")
    result = probed(served)
    reached(start, result, served)
    http = result.findings.http
    assert http is not None
    assert (http.status, http.challenges, http.server) == (401, ["Negotiate", "NTLM"], "Microsoft-IIS/6.0")


def test_the_description_of_a_service_is_found(serving: Serving) -> None:
    served = serving("http-wsdl")
    http = probed(served).findings.http
    assert http is not None
    assert http.wsdl == served.path
    assert served.path.endswith("?wsdl")


def test_a_server_that_refuses_chunked_bodies_is_sent_none(serving: Serving, start: Start) -> None:
    served = serving("http-411")
    result = probed(served)
    reached(start, result, served)
    assert settings(result)["http"] == {"request_body": "content_length"}


def test_lines_that_end_in_lf_alone_are_put_up_with(serving: Serving, start: Start) -> None:
    served = serving("http-bare-lf")
    result = probed(served)
    reached(start, result, served)
    assert settings(result)["http"]["lenient"] == ["bare_lf"]


def test_small_groups_are_measured(serving: Serving, start: Start) -> None:
    served = serving("dhe-512")
    result = probed(served)
    assert reached(start, result, served)["profile"] == "obsolete"
    assert result.findings.key_exchanges["dh"] == 512


def test_plain_http_behind_https_is_reached_with_an_http_target(serving: Serving, start: Start) -> None:
    served = serving("plain-http")
    result = probed(served)
    assert reached(start, result, served) == {}
    assert settings(result)["targets"] == [f"http://127.0.0.1:{served.port}"]
    assert "plain HTTP" in result.verdict


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smtp-over-tls", "not HTTP"),
        ("ssh", "SSH, no TLS"),
        ("tarpit", "never says anything"),
        ("closes-at-once", "ends them when TLS begins"),
        ("resets-at-once", "ends them when TLS begins"),
        ("refuses-every-hello", "refuses every hello"),
    ],
)
def test_what_cannot_be_reached_is_told_why(serving: Serving, name: str, words: str) -> None:
    result = probed(serving(name))
    assert result.candidate is None
    assert words in result.verdict
