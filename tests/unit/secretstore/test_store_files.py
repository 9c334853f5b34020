"""Files and variables: seen when they change, never half, never empty."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from secret_stores import MakeStore, until

from broker.config.secret_ref import SecretRef
from broker.core.secret import SecretPending, SecretUnavailable

PW = SecretRef("file", "pw")


def mounted(base: Path, value: bytes, number: int) -> None:
    """What the kubelet does: a new directory, and a link to it that is swapped in one step."""
    directory = base / f"..{number}"
    directory.mkdir()
    (directory / "pw").write_bytes(value)
    (base / "..new").symlink_to(directory.name)
    (base / "..new").replace(base / "..data")
    if not (base / "pw").is_symlink():
        (base / "pw").symlink_to("..data/pw")


async def test_a_swapped_link_is_seen_and_no_read_is_empty_or_half(tmp_path: Path, make_store: MakeStore) -> None:
    values = [bytes([65 + number]) * 4000 for number in range(8)]
    mounted(tmp_path, values[0], 0)
    store = make_store()
    await store.start([PW])
    seen: set[bytes] = set()
    done = threading.Event()
    reads = 0

    def read() -> None:
        nonlocal reads
        while not done.is_set():
            seen.add(store.resolve(PW).reveal())
            reads += 1

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number, value in enumerate(values[1:], 1):
        mounted(tmp_path, value, number)
        await until(lambda value=value: store.resolve(PW).reveal() == value)
    await until(lambda: reads > 5000)
    done.set()
    for reader in readers:
        reader.join()
    assert seen <= set(values)
    assert store.source(PW).version == len(values)
    assert store.told[-1] == (values[-1], values[-2])


async def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path, make_store: MakeStore) -> None:
    (tmp_path / "pw").write_bytes(b"first")
    store = make_store()
    await store.start([PW])
    seen: set[bytes] = set()
    with (tmp_path / "pw").open("wb", buffering=0) as file:
        for byte in b"second value":
            file.write(bytes([byte]))
            await asyncio.sleep(0.02)
            seen.add(store.resolve(PW).reveal())
    assert seen == {b"first"}
    await until(lambda: store.resolve(PW).reveal() == b"second value")


async def test_an_empty_or_vanished_file_keeps_the_last_value_and_is_told_once(
    tmp_path: Path, make_store: MakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "pw"
    path.write_bytes(b"g00d-one")
    store = make_store()
    await store.start([PW])
    path.write_bytes(b"")
    await until(lambda: store.counts.get(("file", "failed"), 0) >= 1)
    path.unlink()
    await until(lambda: store.counts.get(("file", "failed"), 0) >= 2)
    assert store.resolve(PW).reveal() == b"g00d-one"
    [(provider, name, age)] = store.ages()
    assert (provider, name) == ("file", "file:pw")
    assert age > 0
    path.write_bytes(b"b3tter")
    await until(lambda: store.resolve(PW).reveal() == b"b3tter")
    events = [getattr(record, "event", "") for record in caplog.records]
    assert events == ["secret_unavailable", "secret_rotated", "secret_back"]
    assert "g00d-one" not in caplog.text
    assert "b3tter" not in caplog.text


async def test_renew_reads_a_file_at_once(tmp_path: Path, make_store: MakeStore) -> None:
    (tmp_path / "pw").write_bytes(b"one")
    store = make_store(poll=60)
    await store.start([PW])
    source = store.source(PW)
    (tmp_path / "pw").write_bytes(b"two")
    assert await source.renew() is True
    assert (source.current().reveal(), source.version) == (b"two", 2)


async def test_a_stale_version_needs_no_question(tmp_path: Path, make_store: MakeStore) -> None:
    (tmp_path / "pw").write_bytes(b"one")
    store = make_store(poll=60)
    await store.start([PW])
    source = store.source(PW)
    (tmp_path / "pw").write_bytes(b"two")
    assert await source.renew(seen=source.version)
    count = store.counts["file", "changed"]
    assert await source.renew(seen=1)
    assert store.counts["file", "changed"] == count


def test_what_is_not_here_is_no_secret_that_may_come(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNIT_SECRET", raising=False)
    store = make_store()
    for reference in (PW, SecretRef("env", "UNIT_SECRET")):
        source = store.source(reference)
        with pytest.raises(SecretUnavailable, match=f"^{reference}: ") as caught:
            source.current()
        assert not isinstance(caught.value, SecretPending)
        assert source.version == 0


def test_a_source_is_read_without_a_loop_and_is_one(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIT_SECRET", "value-of-it")
    store = make_store()
    reference = SecretRef("env", "UNIT_SECRET")
    source = store.source(reference)
    assert source is store.source(reference)
    assert (source.current().reveal(), source.version) == (b"value-of-it", 1)
    assert "value-of-it" not in repr(source)
    os.environ["UNIT_SECRET"] = "another"
    assert store.resolve(reference).reveal() == b"value-of-it"


async def test_renew_of_a_variable_is_harmless(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIT_SECRET", "value-of-it")
    store = make_store()
    assert await store.source(SecretRef("env", "UNIT_SECRET")).renew() is False
