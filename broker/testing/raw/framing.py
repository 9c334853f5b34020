"""What a message's head says about its body. Strict on purpose: a test wants to fail here."""


def header_lines(head: bytes) -> list[bytes]:
    """The lines between the first line and the blank line."""
    return [line for line in head.split(b"\r\n")[1:] if line]


def headers(head: bytes, name: bytes) -> list[bytes]:
    """Every value of a header, in order."""
    pairs = (line.partition(b":") for line in header_lines(head))
    return [value.strip() for key, _, value in pairs if key.lower() == name.lower()]


def is_chunked(head: bytes) -> bool:
    """Whether the last transfer coding is chunked."""
    codings = b",".join(headers(head, b"transfer-encoding")).lower().split(b",")
    return codings[-1].strip() == b"chunked"


def content_length(head: bytes) -> int | None:
    """The declared length; several different ones are an error."""
    values = set(headers(head, b"content-length"))
    if not values:
        return None
    if len(values) > 1 or not (value := values.pop()).isdigit():
        raise ValueError(f"bad Content-Length in {head!r}")
    return int(value)


def chunk_size(line: bytes) -> int:
    """The size in a chunk's first line."""
    return int(line.partition(b";")[0].strip(), 16)


def decode_chunks(raw: bytes) -> bytes:
    """The content of a chunked body, complete or cut."""
    content, position = bytearray(), 0
    while (end := raw.find(b"\r\n", position)) >= 0:
        size = chunk_size(raw[position:end])
        if size == 0:
            break
        content += raw[end + 2 : end + 2 + size]
        position = end + 2 + size + 2
    return bytes(content)


def status(head: bytes) -> int:
    """The status code of a response's head."""
    return int(head.split(b" ", 2)[1][:3])


def has_body(head: bytes, method: str) -> bool:
    """Whether a response to this method may carry a body."""
    code = status(head)
    return method != "HEAD" and code >= 200 and code not in (204, 304)


def ends_connection(response: bytes) -> bool:
    """Whether a response announces, or by its framing implies, that the connection closes after it."""
    head = response.partition(b"\r\n\r\n")[0]
    options = b",".join(headers(head, b"connection")).lower()
    unframed = content_length(head) is None and not is_chunked(head)
    return b"close" in options or (unframed and has_body(head, "GET"))
