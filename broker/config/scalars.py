"""Durations, sizes, names: strings of the file that become numbers or plain text."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

DURATION: Final = r"^[0-9]{1,9}(ms|s|m|h)$"
SIZE: Final = r"^[0-9]{1,12}(B|KiB|MiB|GiB)$"
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
ROUTE_NAME: Final = r"^[a-z0-9][a-z0-9._-]*$"

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_PARTS: Final = re.compile(r"([0-9]+)([A-Za-z]+)\Z")
_PIN: Final = re.compile(r"[0-9a-f]{64}\Z")


def parse_duration(value: object) -> float:
    """Seconds of `250ms`, `5s`, `2m`, `1h` or a bare 0; raises `ValueError`."""
    if value == 0 and type(value) in (int, float):
        return 0.0
    if not isinstance(value, str) or not re.fullmatch(DURATION, value, re.ASCII) or value.endswith("\n"):
        raise ValueError("expected a duration such as 250ms, 5s, 2m or 1h")
    number, unit = _split(value)
    return number * _SECONDS[unit]


def parse_timeout(value: object) -> float:
    """Like `parse_duration`, but longer than zero; raises `ValueError`."""
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError("expected a duration longer than 0, such as 5s")
    return seconds


def parse_size(value: object) -> int:
    """Bytes of `500B`, `64KiB`, `10MiB`, `1GiB` or a whole number; raises `ValueError`."""
    if type(value) is int and 0 <= value < 1 << 62:
        return value
    if not isinstance(value, str) or not re.fullmatch(SIZE, value, re.ASCII) or value.endswith("\n"):
        raise ValueError("expected a size such as 500B, 64KiB, 10MiB or 1GiB")
    number, unit = _split(value)
    return number * _BYTES[unit]


def size_text(size: int) -> str:
    """Bytes as the file would say them, in the largest unit that comes out even."""
    unit = next(unit for unit, bytes_ in reversed(_BYTES.items()) if size % bytes_ == 0)
    return f"{size // _BYTES[unit]}{unit}"


def parse_pin(value: object) -> str:
    """64 lower-case hex digits of a SHA-256 digest written with or without colons; raises `ValueError`."""
    digest = value.replace(":", "").lower() if isinstance(value, str) else ""
    if not _PIN.match(digest):
        raise ValueError("expected the SHA-256 digest of a certificate: 64 hex digits, in quotes")
    return digest


def parse_network(value: object) -> IPv4Network | IPv6Network:
    """The network of `10.0.0.0/8` or a single address; raises `ValueError`."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("expected a network such as 10.0.0.0/8, with no host bits set") from None


def parse_path(value: object, info: ValidationInfo) -> Path:
    """A path, relative to the directory of the routes file; raises `ValueError`."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("expected the path of a file")
    if "-----BEGIN" in value or any(ord(char) < 32 for char in value):
        raise ValueError("expected the path of a file, not what is in it")
    base = (info.context or {}).get("base")
    return base / value if isinstance(base, Path) else Path(value)


def _split(text: str) -> tuple[int, str]:
    parts = _PARTS.match(text)
    assert parts is not None  # noqa: S101  the caller has matched the stricter pattern
    return int(parts[1]), parts[2]


_DURATION_SCHEMA: Final = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": DURATION}, {"type": "integer", "const": 0}]}
)
_SIZE_SCHEMA: Final = WithJsonSchema(
    {"anyOf": [{"type": "string", "pattern": SIZE}, {"type": "integer", "minimum": 0}]}
)

Duration = Annotated[float, BeforeValidator(parse_duration), _DURATION_SCHEMA]
"""Seconds; zero is allowed."""
Timeout = Annotated[float, BeforeValidator(parse_timeout), WithJsonSchema({"type": "string", "pattern": DURATION})]
"""Seconds, more than zero: a timeout of zero would refuse everything."""
Size = Annotated[int, BeforeValidator(parse_size), _SIZE_SCHEMA]
"""Bytes."""
Name = Annotated[str, Field(pattern=NAME, max_length=100)]
"""The name of a listener, upstream or caller: it becomes a label of metrics and logs."""
RouteName = Annotated[str, Field(pattern=ROUTE_NAME, max_length=100)]
Pin = Annotated[
    str,
    BeforeValidator(parse_pin),
    WithJsonSchema({"type": "string", "pattern": "^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$"}),
]
Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(parse_network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"}),
]
FilePath = Annotated[Path, PlainValidator(parse_path), WithJsonSchema({"type": "string", "minLength": 1})]
