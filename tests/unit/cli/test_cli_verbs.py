"""The verbs that only look: check, explain, routes, schema."""

import json
from pathlib import Path

import pytest
import yaml

from broker.__main__ import main

Capture = pytest.CaptureFixture[str]


def test_check_finds_a_good_file_good(unit_routes: Path, capsys: Capture) -> None:
    assert main(["check", "-c", str(unit_routes)]) == 0
    assert capsys.readouterr().out == ""


def test_check_tells_a_fault_with_its_line(unit_routes: Path, capsys: Capture) -> None:
    unit_routes.write_text(unit_routes.read_text().replace("upstream: warehouse\n    path", "upstream: ware\n    path"))
    assert main(["check", "-c", str(unit_routes), "--json"]) == 1
    (fault,) = [one for one in json.loads(capsys.readouterr().out) if one["severity"] == "error"]
    assert fault["path"] == "routes[0].upstream"
    assert fault["line"] == 17


def test_routes_prints_the_most_specific_first(unit_routes: Path, capsys: Capture) -> None:
    assert main(["routes", "-c", str(unit_routes)]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["LISTENER", "HOST", "PATH", "CONDITIONS", "CALLERS", "ROUTE", "UPSTREAM"]
    assert first.split() == ["fno", "*", "/warehouse/quote.asmx", "POST", "fno-dev", "soap", "warehouse", "/Quote.asmx"]
    assert second.split() == ["fno", "*", "/open/", "-", "public", "open", "warehouse"]


def explain(path: Path, *args: str) -> int:
    return main(["explain", "-c", str(path), *args])


def test_explain_shows_the_head_that_would_be_sent(unit_routes: Path, capsys: Capture) -> None:
    url = "https://broker/warehouse/quote.asmx?a=%2f"
    assert explain(unit_routes, "POST", url, "-H", "X-Api-Key: key-of-the-caller", "-H", "sOAPaction: x") == 0
    out = capsys.readouterr().out
    assert out.partition("(secrets masked)\n\n")[2].splitlines() == [
        "    POST /Quote.asmx?a=%2f HTTP/1.1",
        "    Host: 10.0.0.12:8443",
        "    sOAPaction: x",
        "    X-Forwarded-For: 192.0.2.1",
        "    X-Forwarded-Proto: https",
        "    X-Forwarded-Host: broker",
        "    Via: 1.1 broker",
        "    Authorization: Basic ***",
    ]
    assert "route      soap" in out


def test_explain_says_what_protects_a_call(unit_routes: Path, capsys: Capture) -> None:
    given = yaml.safe_load(unit_routes.read_text())
    given["callers"]["fno-dev"]["rate"] = "5/s burst 10"
    given["routes"][0] |= {"rate": "100/m", "max_concurrency": 3, "max_body": "1KiB"}
    given["upstreams"]["warehouse"] |= {
        "fallback": ["https://10.9.9.9:8443"],
        "max_concurrency": 4,
        "queue": {"size": 50, "wait": "10s"},
        "retry": {"attempts": 3, "on": ["connect_failed", 503]},
        "circuit_breaker": {"failures": 5, "share": "50%"},
        "ejection": {"failures": 2},
        "health": {},
    }
    unit_routes.write_text(yaml.safe_dump(given))
    url = "https://broker/warehouse/quote.asmx"
    assert explain(unit_routes, "POST", url, "-H", "X-Api-Key: key", "-H", "sOAPaction: x") == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines() if line.strip())
    assert lines["fallback"] == "https://10.9.9.9:8443"
    assert lines["limits"] == (
        "5/s burst 10 for caller fno-dev, 100/m burst 2 for the route, 3 at a time for the route, "
        "4 at a time for the upstream, 50 may wait for 10s, bodies of 1024 bytes"
    )
    assert lines["failures"] == (
        "3 attempts on connect_failed, 503; circuit open for 15s after 5 failures in a row or 50% failures; "
        "target ejected for 10s after 2 failures in a row; targets checked every 10s"
    )


def test_explain_says_where_nothing_does(unit_routes: Path, capsys: Capture) -> None:
    assert explain(unit_routes, "GET", "https://broker/open/") == 0
    out = capsys.readouterr().out
    assert "fallback" not in out
    assert "\nlimits     none\nfailures   told to the caller\n" in out


def test_explain_needs_no_secret_and_shows_none(
    unit_routes: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UNIT_KEY", "UNIT_USER", "UNIT_PASSWORD"):
        monkeypatch.delenv(name)
    own = ["-H", "Authorization: Bearer t0ken", "-H", "Cookie: s=s3cret"]
    assert explain(unit_routes, "GET", "https://broker/open/", *own) == 0
    out = capsys.readouterr().out
    assert "Authorization: Bearer ***\n" in out
    assert "Cookie: ***\n" in out
    assert "t0ken" not in out
    assert "s3cret" not in out


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/open/x?next=http://a/b", "/open/x?next=http://a/b"),
        ("https://h/open/y#part", "/open/y"),
        ("https://user:pw@h/open/?", "/open/?"),
        ("https://h/open//%27", "/open//%27"),
    ],
)
def test_explain_takes_urls_as_they_are_written(unit_routes: Path, capsys: Capture, url: str, target: str) -> None:
    assert explain(unit_routes, "GET", url) == 0
    assert f"    GET {target} HTTP/1.1\n" in capsys.readouterr().out


def test_explain_says_when_nothing_matches(unit_routes: Path, capsys: Capture) -> None:
    assert explain(unit_routes, "GET", "https://broker?x=/open/") == 1
    assert "refused with 404 no_route" in capsys.readouterr().out
    assert explain(unit_routes, "GET", "https://broker/warehouse/quote.asmx") == 1
    assert "refused with 405 method_not_allowed" in capsys.readouterr().out


def test_explain_refuses_what_the_listener_would_refuse(unit_routes: Path, capsys: Capture) -> None:
    assert explain(unit_routes, "GET", "https://broker/open/%2e%2e/x") == 2
    assert "refused with bad_request" in capsys.readouterr().out


def test_schema_is_json(capsys: Capture) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "routes.yaml"
