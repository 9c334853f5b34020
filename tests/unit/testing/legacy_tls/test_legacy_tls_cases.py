"""Every case is a server that answers, again and again, whatever became of the clients before."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from legacy_client import get, gnutls_cli, hello, needed

from broker.config.upstream_tls import UpstreamTls
from broker.testing.legacy_tls import CASES, Case, programs

_SMALL_GROUPS = {"dhe-512": "CUSTOM512", "dhe-768": "CUSTOM768", "java-6": "CUSTOM768"}
_HTTPS = [case for case in CASES.values() if case.group != "oddity" and case.name not in _SMALL_GROUPS]


def run(case: Case) -> Case:
    if reason := case.why_not():
        pytest.skip(reason)
    return case


@pytest.mark.parametrize("case", _HTTPS, ids=lambda case: case.name)
def test_a_case_answers(case: Case, tmp_path: Path) -> None:
    needed(programs.OBSOLETE)
    with run(case).serve(tmp_path) as served:
        with socket.create_connection((served.host, served.port)) as gone:
            gone.sendall(hello()[:20])
        for path in (served.path, "/other/path?query"):
            answer, digest = get(served, path)
            # A client that leaves without a goodbye, as a probe does.
            socket.create_connection((served.host, served.port)).close()
            assert digest == served.pin
            assert served.body in answer or path != served.path
            assert b" 200 " in answer or served.status != 200
        UpstreamTls.model_validate({**served.settings, "review_by": "2030-01-01"}, context={"directory": tmp_path})


@pytest.mark.parametrize("name", _SMALL_GROUPS)
def test_small_groups_are_as_small_as_they_say(name: str, tmp_path: Path) -> None:
    with run(CASES[name]).serve(tmp_path) as served:
        for _ in range(2):
            said = gnutls_cli(served)
            assert _SMALL_GROUPS[name] in said
            assert served.body.decode() in said


@pytest.mark.parametrize("name", ["tls10-aes-cbc", "nss-ssl3", "gnutls-rc4-3des", "tlslite-rc4", "http-1.0"])
def test_idle_connections_hold_up_nobody(name: str, tmp_path: Path) -> None:
    with run(CASES[name]).serve(tmp_path) as served, ExitStack() as idle:
        for _ in range(2):
            idle.enter_context(socket.create_connection((served.host, served.port)))
        assert served.body in get(served)[0]


def test_names_and_titles_are_unique_and_every_group_is_known() -> None:
    assert len({case.title for case in CASES.values()}) == len(CASES)
    assert {case.group for case in CASES.values()} == {"tls", "http", "oddity"}


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_PATH", "/nowhere")
    monkeypatch.setenv("BROKER_OBSOLETE_OPENSSL", "/nowhere/openssl")
    assert "libnss3-tools" in (CASES["nss-ssl3"].why_not() or "")
    assert "BROKER_OBSOLETE_OPENSSL" in (CASES["ssl3-only"].why_not() or "")
    assert CASES["http-ntlm"].why_not() is None
    with pytest.raises(FileNotFoundError, match="gnutls-bin"):
        programs.require("gnutls-serv")
