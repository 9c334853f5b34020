"""What is found in the files that the configuration names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.config.checks import chains
from broker.config.load import check, load

Save = Callable[[str, bytes], Path]
Issue = Callable[..., Any]


def messages(routes: Path) -> list[str]:
    """`path: message` of each fault, the path shortened."""
    found = [str(fault).split(": ", 1)[1] for fault in check(routes)]
    return [line.removeprefix("listeners.fno.tls.").removeprefix("certificates[0].") for line in found]


def serve(save: Save, *chain: Any) -> None:
    save("server.crt", b"".join(each.pem for each in chain))
    save("server.key", chain[0].key_pem())


def test_chains_that_are_complete(
    routes: Path, save: Save, issue: Issue, ca: Any, intermediate: Any, leaf: Any
) -> None:
    for chain in ([leaf, intermediate, ca], [leaf, intermediate], [issue("l", ca), ca], [issue("self")]):
        serve(save, *chain)
        assert messages(routes) == []


def test_a_leaf_alone_is_incomplete(
    routes: Path, save: Save, issue: Issue, ca: Any, leaf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(save, leaf)
    assert messages(routes) == [
        "chain: the chain stops at CN=Test intermediate: append the intermediate certificates, or the root itself"
    ]
    load(routes)  # an error of `check`, yet no reason not to start
    serve(save, issue("direct", ca))
    monkeypatch.setattr(chains, "system_roots", lambda: (ca.certificate,))
    assert messages(routes) == []


def test_chains_out_of_order(routes: Path, save: Save, ca: Any, intermediate: Any, leaf: Any) -> None:
    serve(save, leaf, ca, intermediate)
    assert "chain: certificate 1 (CN=localhost) is not issued by the next one (CN=Test CA)" in messages(routes)[0]
    assert len(messages(routes)) == 2


def test_a_namesake_is_no_issuer(routes: Path, save: Save, issue: Issue, leaf: Any) -> None:
    serve(save, leaf, issue("Test intermediate", ca=True))
    assert "is not issued by the next one" in messages(routes)[0]


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"start": -9, "end": -1}, "chain: CN=x has expired on 20"),
        ({"start": 5}, "chain: CN=x is not valid before 20"),
        ({"end": 20}, "chain: warning: CN=x expires on 20"),
    ],
)
def test_dates(routes: Path, save: Save, issue: Issue, dates: dict[str, int], expected: str) -> None:
    serve(save, issue("x", **dates))
    [message] = messages(routes)
    assert message.startswith(expected)


def test_a_warning_does_not_stop_loading(routes: Path, save: Save, issue: Issue) -> None:
    serve(save, issue("x", end=20))
    assert load(routes).version == 1


def test_short_rsa_keys(routes: Path, save: Save, issue: Issue) -> None:
    serve(save, issue("x", rsa_bits=1024))
    assert messages(routes) == ["chain: CN=x has an RSA key of 1024 bits; 2048 is the least"]


def test_the_key_of_another_certificate(routes: Path, save: Save, ca: Any) -> None:
    save("server.key", ca.key_pem())
    assert messages(routes) == ["key: is not the key of the first certificate in `chain`"]


def test_a_key_that_is_encrypted(routes: Path, save: Save, leaf: Any) -> None:
    save("server.key", leaf.key_pem(b"secret"))
    assert messages(routes) == ["key: is encrypted; a service has nobody to ask for the password"]


def test_a_key_that_others_can_read(routes: Path) -> None:
    (routes.parent / "server.key").chmod(0o640)
    assert messages(routes) == ["key: warning: other users of this machine can read the private key; chmod 600 it"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ["chain: holds no valid PEM certificate", "key: holds no valid PEM private key"]),
        (b"\x30\x82", ["chain: holds no valid PEM certificate", "key: holds no valid PEM private key"]),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ["chain: holds no", "key: holds no"],
        ),
    ],
)
def test_files_that_hold_something_else(routes: Path, save: Save, data: bytes, expected: list[str]) -> None:
    save("server.crt", data)
    save("server.key", data)
    assert [found.startswith(start) for found, start in zip(messages(routes), expected, strict=True)] == [
        True,
        True,
    ]


def test_files_that_are_not_there(routes: Path) -> None:
    (routes.parent / "server.crt").unlink()
    (routes.parent / "server.key").unlink()
    (routes.parent / "server.key").mkdir()
    assert messages(routes) == [
        "chain: cannot be read: No such file or directory",
        "key: is not a regular file",
    ]


def test_a_key_in_place_of_its_path_is_not_repeated(routes: Path, leaf: Any) -> None:
    pem = leaf.key_pem().decode().replace("\n", "\n          ")
    routes.write_text(
        routes.read_text().replace(
            "[{chain: server.crt, key: server.key}]",
            f"\n      - chain: server.crt\n        key: |\n          {pem}",
        )
    )
    assert messages(routes) == ["key: expected the path of a file, not what is in it"]


def test_authorities_of_callers(routes: Path, save: Save, ca: Any, leaf: Any) -> None:
    routes.write_text(routes.read_text().replace("      certificates", "      client_ca: ca.crt\n      certificates"))
    assert messages(routes) == ["client_ca: cannot be read: No such file or directory"]
    save("ca.crt", leaf.pem)
    assert messages(routes) == ["client_ca: holds no CA certificate"]
    save("ca.crt", leaf.pem + ca.pem)
    assert messages(routes) == []


def test_authorities_of_upstreams(routes: Path, save: Save, issue: Issue, leaf: Any) -> None:
    target = "targets: [https://10.0.0.12:8443]"
    routes.write_text(routes.read_text().replace(target, target + "\n    tls: {ca: legacy.crt}"))
    assert messages(routes) == ["upstreams.warehouse.tls.ca: cannot be read: No such file or directory"]
    save("legacy.crt", leaf.pem)
    assert messages(routes) == []
    save("legacy.crt", issue("old", start=-9, end=-1).pem)
    assert messages(routes)[0].startswith("upstreams.warehouse.tls.ca: warning: CN=old has expired")
