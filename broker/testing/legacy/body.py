"""Reading request bodies, as trusting as an old server and no more."""

from email.message import Message
from io import BufferedIOBase

_MOST_LINE = 4096


class BodyError(Exception):
    """The body is refused with this status."""

    def __init__(self, status: int) -> None:
        """Refuse with a status."""
        super().__init__(status)
        self.status = status


def declared_length(headers: Message) -> int | None:
    """The Content-Length; anything but one number is refused."""
    values = headers.get_all("content-length", [])
    if not values:
        return None
    if len(values) > 1 or not values[0].isascii() or not values[0].isdigit() or len(values[0]) > 18:
        raise BodyError(400)
    return int(values[0])


def read_body(stream: BufferedIOBase, headers: Message, limit: int) -> bytes:
    """The whole body with its framing undone."""
    length = declared_length(headers)
    if coding := headers.get("transfer-encoding"):
        if length is not None or coding.strip().lower() != "chunked":
            raise BodyError(400)
        return _read_chunks(stream, limit)
    if length is None:
        return b""
    if length > limit:
        raise BodyError(413)
    return _exactly(stream, length)


def _exactly(stream: BufferedIOBase, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise ConnectionError("the body was cut")
    return data


def _line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(_MOST_LINE)
    if not line.endswith(b"\r\n"):
        raise BodyError(400)
    return line


def _chunk_size(stream: BufferedIOBase) -> int:
    digits = _line(stream).partition(b";")[0].strip()
    if not 0 < len(digits) <= 16 or digits.strip(b"0123456789abcdefABCDEF"):
        raise BodyError(400)
    return int(digits, 16)


def _read_chunks(stream: BufferedIOBase, limit: int) -> bytes:
    body = bytearray()
    while size := _chunk_size(stream):
        if len(body) + size > limit:
            raise BodyError(413)
        body += _exactly(stream, size)
        if _exactly(stream, 2) != b"\r\n":
            raise BodyError(400)
    for _ in range(100):
        if _line(stream) == b"\r\n":
            return bytes(body)
    raise BodyError(400)
