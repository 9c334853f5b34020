"""Development certificates are made once, kept while valid, and renewed when they end."""

import argparse
import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509

from broker.cli import certs
from broker.testing import devpki
from broker.testing.devpki import CannotIssueError, Workshop, load_certificate
from broker.testing.pki import Authority, self_signed, write_private

FILES = {"ca.crt", "ca.key", "server.crt", "server.key"}
LEGACY_FILES = {"legacy-ca.crt", "legacy-ca.key", "legacy.crt", "legacy.key"}


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("certs")
    Workshop(directory).make_all()
    return contents(directory)


@pytest.fixture
def directory(made: dict[str, bytes], tmp_path: Path) -> Path:
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def end_soon(directory: Path, authority: str, leaf: str) -> None:
    key = devpki.load_key(directory / f"{authority}.key")
    issuer = load_certificate(directory / f"{authority}.crt")
    assert key is not None
    assert issuer is not None
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=6)
    Authority(issuer, key).issue(not_after=soon).write(directory, leaf)


def test_everything_is_made_in_a_new_directory(tmp_path: Path) -> None:
    notes = Workshop(tmp_path / "a" / "certs").make_all()
    assert set(contents(tmp_path / "a" / "certs")) == FILES | LEGACY_FILES
    assert len(notes) == 4
    assert all(": made, valid until " in note for note in notes)


def test_the_server_chain_ends_in_the_authority(directory: Path) -> None:
    leaf, root = x509.load_pem_x509_certificates((directory / "server.crt").read_bytes())
    assert root == load_certificate(directory / "ca.crt")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "broker.localhost"]


def test_the_legacy_certificate_is_weak(directory: Path) -> None:
    leaf = load_certificate(directory / "legacy.crt")
    assert leaf is not None
    assert leaf.signature_hash_algorithm is not None
    assert leaf.signature_hash_algorithm.name == "sha1"
    assert leaf.public_key().key_size == 1024  # type: ignore[union-attr]


def test_keys_are_private(directory: Path, tmp_path: Path) -> None:
    Workshop(directory, force=True).make_all()
    assert {path.stat().st_mode & 0o777 for path in directory.glob("*.key")} == {0o600}


def test_valid_files_are_kept(directory: Path, made: dict[str, bytes]) -> None:
    notes = Workshop(directory).make_all()
    assert contents(directory) == made
    assert all(": kept, valid until " in note for note in notes)


def test_force_makes_everything_anew(directory: Path, made: dict[str, bytes]) -> None:
    Workshop(directory, force=True).make_all()
    assert all(content != made[name] for name, content in contents(directory).items())


def test_a_certificate_that_ends_within_a_week_is_renewed_by_the_same_authority(
    directory: Path, made: dict[str, bytes]
) -> None:
    end_soon(directory, "ca", "server")
    Workshop(directory).make_all()
    assert (directory / "ca.crt").read_bytes() == made["ca.crt"]
    leaf = load_certificate(directory / "server.crt")
    assert leaf is not None
    assert not devpki.is_ending(leaf)


@pytest.mark.parametrize("damage", [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
@pytest.mark.parametrize("name", ["server.crt", "server.key"])
def test_a_damaged_file_is_replaced(directory: Path, name: str, damage: bytes) -> None:
    (directory / name).write_bytes(damage)
    Workshop(directory).make_all()
    assert Workshop(directory).make_all()[1].startswith(f"{directory}/server.crt: kept")


def test_a_lost_authority_takes_its_server_certificate_with_it(directory: Path) -> None:
    (directory / "ca.crt").unlink()
    notes = Workshop(directory).make_all()
    assert ["made" in note for note in notes] == [True, True, False, False]


def test_a_foreign_server_certificate_is_kept(directory: Path) -> None:
    chain, _ = self_signed(["broker.contoso.com"], not_after=dt.datetime(2090, 1, 1, tzinfo=dt.UTC)).write(
        directory, "server"
    )
    before = chain.read_bytes()
    assert "kept, though not issued by ca.crt" in Workshop(directory).make_all()[1]
    assert chain.read_bytes() == before


def test_an_authority_without_its_key_cannot_renew(directory: Path, made: dict[str, bytes]) -> None:
    write_private(directory / "ca.key", "gone")
    end_soon(directory, "legacy-ca", "server")
    (directory / "server.key").unlink()
    with pytest.raises(CannotIssueError, match="--force"):
        Workshop(directory).make_all()
    assert (directory / "ca.crt").read_bytes() == made["ca.crt"]


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    certs.add_arguments(parser)
    assert certs.run(parser.parse_args(["--out", str(tmp_path / "c")])) == 0
    assert capsys.readouterr().out.count("made, valid until") == 4
    (tmp_path / "c" / "ca.key").unlink()
    (tmp_path / "c" / "server.crt").unlink()
    assert certs.run(parser.parse_args(["--out", str(tmp_path / "c")])) == 1
    assert "--force" in capsys.readouterr().err
