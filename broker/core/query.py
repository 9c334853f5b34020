"""Parameters of a query (`application/x-www-form-urlencoded`), found and taken out byte for byte."""

from collections.abc import Collection, Iterable
from urllib.parse import unquote_to_bytes


def parameter_values(target: bytes, name: bytes) -> list[bytes]:
    """All values of a parameter, percent-decoded; `name` as it is when decoded. A plus sign stays one."""
    query = target.partition(b"?")[2]
    return [
        unquote_to_bytes(part.partition(b"=")[2])
        for part in query.split(b"&")
        if unquote_to_bytes(part.partition(b"=")[0]) == name
    ]


def comparable(names: Iterable[bytes]) -> frozenset[bytes]:
    """Names of parameters, decoded, as `without_parameters` wants them: for many services, case is all the same."""
    return frozenset(name.lower() for name in names)


def without_parameters(target: bytes, names: Collection[bytes]) -> bytes:
    """The target without these parameters, however a service may read their names; every other byte stays as it came.

    `names`: made by `comparable`.
    """
    path, mark, query = target.partition(b"?")
    if not mark:
        return target
    parts = query.split(b"&")
    kept = [rest for part in parts if (rest := _without(part, names)) is not None]
    if kept == parts:
        return target
    return path + b"?" + b"&".join(kept) if kept else path


def _without(part: bytes, names: Collection[bytes]) -> bytes | None:
    """What is left of the bytes between two `&`; to some services, a semicolon separates parameters too."""
    kept = [piece for piece in part.split(b";") if not _is_named(piece, names)]
    return b";".join(kept) if kept else None


def _is_named(piece: bytes, names: Collection[bytes]) -> bool:
    name = piece.partition(b"=")[0].lower()
    # In a form's encoding a plus sign is a blank; elsewhere it is itself.
    return unquote_to_bytes(name).lower() in names or unquote_to_bytes(name.replace(b"+", b" ")).lower() in names
