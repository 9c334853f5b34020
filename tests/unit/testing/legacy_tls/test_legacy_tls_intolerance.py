"""Each intolerant server dislikes what it says, reacts as it says, and likes everything else."""

from pathlib import Path

import pytest
from legacy_client import hello, reaction
from test_legacy_tls_cases import run

from broker.testing.legacy_tls import CASES

_NAME = bytes.fromhex("0000000e000c0000096c6f63616c686f7374")
_TICKET = bytes.fromhex("00230000")
_TLS13 = bytes.fromhex("002b0003020304")
_TLS10 = hello(version=0x0301, extensions=None)
_REFUSED = {
    "sni-intolerant": (hello(extensions=_NAME), "alert 70", _TLS10),
    "version-intolerant": (hello(), "alert 46", _TLS10),
    "tls13-intolerant": (hello(extensions=_TLS13), "alert 46", hello()),
    "extension-intolerant": (hello(extensions=b""), "alert 28", _TLS10),
    "ticket-intolerant": (hello(extensions=_TICKET), "", _TLS10),
    "long-hello": (hello(suites=120), "", hello(suites=300)),
    "hello-over-255": (hello(suites=120), "", hello(suites=60)),
    "suites-over-64-refused": (hello(suites=65), "alert 28", hello(suites=64)),
    "suites-over-64-ignored": (hello(first=(*range(0x2000, 0x2040), 0x2F), suites=65), "", hello(suites=100)),
    "windows-2003": (hello(first=(*range(0x2000, 0x2040), 4), suites=65), "", hello(first=(4,), suites=100)),
    "windows-2003-sni": (hello(first=(4,), extensions=_NAME), "", hello(first=(4,))),
    "windows-2003-unpatched": (hello(), "", hello(first=(4,), version=0x0301, extensions=None)),
}
_REACTIONS = {"windows-2003": "reset", "windows-2003-sni": "close", "windows-2003-unpatched": "reset"}


def _cases() -> list[str]:
    return [name for name in CASES if name.rpartition("-")[0] in _REFUSED or name in _REFUSED]


@pytest.mark.parametrize("name", _cases())
def test_an_intolerant_server(name: str, tmp_path: Path) -> None:
    family, _, kind = (
        name.rpartition("-") if name.rpartition("-")[0] in _REFUSED and name not in _REFUSED else (name, "", "")
    )
    refused, alert, liked = _REFUSED[family]
    expected = _REACTIONS.get(name, alert if kind == "alert" else kind) or "alert 28"
    with run(CASES[name]).serve(tmp_path) as served:
        assert reaction(served, refused, 0.2 if expected == "hang" else 5) == expected
        assert reaction(served, liked) == "handshake"
        assert reaction(served, refused, 0.2 if expected == "hang" else 5) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain-http", "other"),
        ("ssh", "other"),
        ("tarpit", "hang"),
        ("closes-at-once", "close"),
        ("resets-at-once", "reset"),
        ("refuses-every-hello", "alert 28"),
        ("smtp-over-tls", "handshake"),
    ],
)
def test_an_oddity(name: str, expected: str, tmp_path: Path) -> None:
    with run(CASES[name]).serve(tmp_path) as served:
        for _ in range(2):
            assert reaction(served, hello(), 0.2 if expected == "hang" else 5) == expected


def test_every_third_connection_is_reset(tmp_path: Path) -> None:
    with run(CASES["resets-third"]).serve(tmp_path) as served:
        assert [reaction(served, _TLS10) for _ in range(6)] == ["handshake", "handshake", "reset"] * 2


def test_a_hello_in_several_records_is_understood(tmp_path: Path) -> None:
    whole = hello(extensions=_NAME)
    split = whole[:3] + b"\0\x0a" + whole[5:15] + whole[:3] + (len(whole) - 15).to_bytes(2) + whole[15:]
    with run(CASES["sni-intolerant-close"]).serve(tmp_path) as served:
        assert reaction(served, split) == "close"
