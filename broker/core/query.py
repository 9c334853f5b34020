"""Parameters of a query (`application/x-www-form-urlencoded`), found and taken out byte for byte."""

from collections.abc import Collection
from urllib.parse import unquote_to_bytes


def parameter_values(target: bytes, name: bytes) -> list[bytes]:
    """All values of a parameter, percent-decoded; `name` as it is when decoded. A plus sign stays one."""
    query = target.partition(b"?")[2]
    return [
        unquote_to_bytes(part.partition(b"=")[2])
        for part in query.split(b"&")
        if unquote_to_bytes(part.partition(b"=")[0]) == name
    ]


def without_parameters(target: bytes, names: Collection[bytes]) -> bytes:
    """The target without these parameters, however their names are encoded; every other byte stays as it came."""
    path, mark, query = target.partition(b"?")
    if not mark:
        return target
    parts = query.split(b"&")
    kept = [part for part in parts if unquote_to_bytes(part.partition(b"=")[0]) not in names]
    if len(kept) == len(parts):
        return target
    return path + b"?" + b"&".join(kept) if kept else path
