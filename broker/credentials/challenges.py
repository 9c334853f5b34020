"""Challenges as servers write them (RFC 9110 section 11)."""

from collections.abc import Mapping


def parameters(text: bytes) -> Mapping[bytes, bytes]:
    """The parameters of one challenge or credential (RFC 9110 section 11.2), names in lower case; the first of each."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(text):
        while at < len(text) and text[at : at + 1] in b" \t,":
            at += 1
        equals = text.find(b"=", at)
        if equals < 0:
            break
        name = text[at:equals].strip().lower()
        at = equals + 1
        while text[at : at + 1] in (b" ", b"\t"):
            at += 1
        value, at = _quoted(text, at + 1) if text[at : at + 1] == b'"' else _token(text, at)
        found.setdefault(name, value)
    return found


def _quoted(text: bytes, at: int) -> tuple[bytes, int]:
    out = bytearray()
    while at < len(text) and text[at] != 0x22:
        at += text[at] == 0x5C
        out += text[at : at + 1]
        at += 1
    return bytes(out), at + 1


def _token(text: bytes, at: int) -> tuple[bytes, int]:
    end = at
    while end < len(text) and text[end : end + 1] not in b", \t":
        end += 1
    return text[at:end], end
