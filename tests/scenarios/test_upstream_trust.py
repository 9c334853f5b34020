"""Which certificates of an upstream are accepted: by authority, by pin, by name."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scenario_broker import Answer, Start
from scenario_servers import http_1_0, s_server

from broker.testing.contexts import server_context
from broker.testing.pki import Authority, Issued, self_signed

PAST = datetime(2020, 1, 1, tzinfo=UTC)
CA = Authority.create()
EXPIRED = self_signed(["old.test"], key="rsa2048", not_after=PAST)


@contextmanager
def observed(identity: Issued, names: list[str | None]) -> Iterator[int]:
    """A server that notes the SNI of each connection."""
    context = server_context(identity)

    def note(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = note
    with http_1_0(context) as port:
        yield port


def call(start: Start, port: int, tls: dict[str, Any], host: str = "127.0.0.1") -> Answer:
    return start({"it": {"targets": [f"https://{host}:{port}"], "tls": tls}}).get("/it/")


def refusal(answer: Answer) -> str:
    assert (answer.status, answer.code) == (502, "upstream_tls_failed"), answer.text
    return answer.text


@pytest.mark.parametrize("profile", ["modern", "legacy"])
def test_a_pin_waives_expiry_and_hostname(tmp_path: Path, start: Start, profile: str) -> None:
    with s_server(tmp_path, EXPIRED) as port:
        assert call(start, port, {"profile": profile, "pin_sha256": [EXPIRED.sha256]}).status == 200


def test_another_certificate_than_the_pinned_one_is_refused(tmp_path: Path, start: Start) -> None:
    with s_server(tmp_path, EXPIRED) as port:
        text = refusal(call(start, port, {"pin_sha256": ["00" * 32]}))
    assert "`tls.pin_sha256`" in text
    assert EXPIRED.sha256 not in text


def test_a_self_signed_certificate_without_a_pin_is_refused(tmp_path: Path, start: Start) -> None:
    with s_server(tmp_path, self_signed()) as port:
        text = refusal(call(start, port, {}))
    assert "`tls.ca`" in text
    assert "`tls.pin_sha256`" in text


def test_a_pin_waives_the_purpose_of_the_key(tmp_path: Path, start: Start) -> None:
    client_only = CA.issue(key="rsa2048", purposes=("client",))
    with s_server(tmp_path, client_only) as port:
        assert call(start, port, {"pin_sha256": [client_only.sha256]}).status == 200


@pytest.mark.parametrize(("profile", "status"), [("modern", 502), ("legacy", 200)])
def test_a_pin_does_not_waive_the_size_of_the_key(tmp_path: Path, start: Start, profile: str, status: int) -> None:
    small = self_signed(key="rsa1024")
    with s_server(tmp_path, small, "-cipher", "ALL:@SECLEVEL=0") as port:
        answer = call(start, port, {"profile": profile, "pin_sha256": [small.sha256]})
    assert answer.status == status
    assert ("`tls.profile: legacy`" in refusal(answer)) if status == 502 else True


@pytest.mark.parametrize("purposes", [("server",), ("client",)])
def test_a_pin_and_a_ca_together_waive_expiry_hostname_and_purpose(
    tmp_path: Path, start: Start, purposes: tuple[str, ...]
) -> None:
    old = CA.issue(["old.test"], key="rsa2048", purposes=purposes, not_after=PAST)
    with s_server(tmp_path, old) as port:
        assert call(start, port, {"ca": str(CA.write_ca(tmp_path)), "pin_sha256": [old.sha256]}).status == 200


def test_a_pin_and_a_ca_together_still_demand_the_ca(tmp_path: Path, start: Start) -> None:
    other = Authority.create("Other CA").issue()
    with s_server(tmp_path, other) as port:
        answer = call(start, port, {"ca": str(CA.write_ca(tmp_path)), "pin_sha256": [other.sha256]})
    assert "`tls.ca`" in refusal(answer)


def test_a_pin_and_a_ca_together_still_demand_the_pin(tmp_path: Path, start: Start) -> None:
    with s_server(tmp_path, CA.issue()) as port:
        answer = call(start, port, {"ca": str(CA.write_ca(tmp_path)), "pin_sha256": ["00" * 32]})
    assert "`tls.pin_sha256`" in refusal(answer)


def test_skipping_verification_accepts_anything(tmp_path: Path, start: Start) -> None:
    with s_server(tmp_path, EXPIRED) as port:
        assert call(start, port, {"unsafe_skip_verify": True}).status == 200


def test_a_server_name_is_sent_and_verified(tmp_path: Path, start: Start) -> None:
    names: list[str | None] = []
    with observed(CA.issue(["erp.test"]), names) as port:
        answer = call(start, port, {"ca": str(CA.write_ca(tmp_path)), "server_name": "erp.test"})
    assert answer.status == 200, answer.text
    assert names == ["erp.test"]


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, start: Start) -> None:
    with s_server(tmp_path, CA.issue(["erp.test"])) as port:
        assert "`tls.server_name`" in refusal(call(start, port, {"ca": str(CA.write_ca(tmp_path))}, "localhost"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("profile", ["modern", "legacy"])
def test_an_empty_server_name_sends_none_and_verifies_the_host(
    tmp_path: Path, start: Start, host: str, profile: str
) -> None:
    names: list[str | None] = []
    with observed(CA.issue([host]), names) as port:
        tls = {"profile": profile, "ca": str(CA.write_ca(tmp_path)), "server_name": ""}
        answer = call(start, port, tls, host)
    assert answer.status == 200, answer.text
    assert names == [None]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_empty_server_name_still_refuses_another_host(tmp_path: Path, start: Start, host: str) -> None:
    with s_server(tmp_path, CA.issue(["erp.test", "127.0.0.2"])) as port:
        answer = call(start, port, {"ca": str(CA.write_ca(tmp_path)), "server_name": ""}, host)
    assert "another" in refusal(answer)


@pytest.mark.parametrize("server_name", [None, ""])
@pytest.mark.parametrize(("profile", "status"), [("modern", 502), ("legacy", 200)])
def test_a_name_in_the_subject_alone_counts_for_legacy_only(
    tmp_path: Path, start: Start, profile: str, status: int, server_name: str | None
) -> None:
    tls = {"profile": profile, "ca": str(CA.write_ca(tmp_path))}
    if server_name is not None:
        tls["server_name"] = server_name
    with s_server(tmp_path, CA.issue((), common_name="localhost")) as port:
        assert call(start, port, tls, "localhost").status == status
