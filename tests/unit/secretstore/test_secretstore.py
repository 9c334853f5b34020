"""References lead to secrets, or to a message that names the reference and no value."""

from pathlib import Path

import pytest

from broker.config.secret_ref import SecretRef
from broker.core.secret import SecretUnavailable
from broker.secretstore.resolve import resolver


@pytest.mark.parametrize(
    ("content", "secret"), [(b"s", b"s"), (b"s\n", b"s"), (b"s\r\n", b"s"), (b" s \n\n", b" s \n")]
)
def test_a_file_is_read_less_one_line_end(tmp_path: Path, content: bytes, secret: bytes) -> None:
    (tmp_path / "pw").write_bytes(content)
    assert resolver(tmp_path)(SecretRef("file", "pw")).reveal() == secret


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\n", "empty"), (bytes(1024 * 1024 + 1), "too large")]
)
def test_an_empty_or_huge_file_is_no_secret(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "pw").write_bytes(content)
    with pytest.raises(SecretUnavailable, match=f"file:pw: the file is {reason}"):
        resolver(tmp_path)(SecretRef("file", "pw"))


def test_a_missing_file_is_named_with_its_directory(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match=r"file:pw: No such file or directory \(looked in "):
        resolver(tmp_path)(SecretRef("file", "pw"))


def test_a_variable_is_read_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIT_SECRET", "a \udcff")
    assert resolver(tmp_path)(SecretRef("env", "UNIT_SECRET")).reveal() == b"a \xff"


def test_a_missing_and_an_empty_variable_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNIT_SECRET", raising=False)
    with pytest.raises(SecretUnavailable, match="not set"):
        resolver(tmp_path)(SecretRef("env", "UNIT_SECRET"))
    monkeypatch.setenv("UNIT_SECRET", "")
    with pytest.raises(SecretUnavailable, match="is empty"):
        resolver(tmp_path)(SecretRef("env", "UNIT_SECRET"))


def test_a_scheme_without_provider_says_so(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match="keyvault: no provider"):
        resolver(tmp_path)(SecretRef("keyvault", "v/n"))
