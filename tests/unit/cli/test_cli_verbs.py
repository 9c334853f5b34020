"""The verbs that only look: check, explain, routes, schema."""

import json
from pathlib import Path

import pytest

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
