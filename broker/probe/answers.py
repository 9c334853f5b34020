"""What the raw bytes of an answer tell, without a parser that would refuse them."""

import re
from dataclasses import dataclass
from typing import Final

_STATUS: Final = re.compile(rb"HTTP/(\d+\.\d+) +(\d{3})(?: ([^\r\n]*))?")
_FIELD: Final = re.compile(rb"^([^:\r\n\t ]+)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?$", re.MULTILINE)
_SCHEMES: Final = ("basic", "digest", "ntlm", "negotiate", "bearer", "kerberos")
_WSDL: Final = re.compile(rb"<(?:[\w.-]+:)?(?:definitions|description)\b[^>]*wsdl", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """A head in parts."""

    version: str
    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for key, value in self.fields if key == name]

    @property
    def challenges(self) -> list[str]:
        """The schemes of `WWW-Authenticate` (RFC 9110 section 11.6.1), with Basic's and Digest's realm."""
        return [found for value in self.values("www-authenticate") for found in _challenges(value)]

    @property
    def promises_more(self) -> bool:
        """Whether it says that the connection is kept (RFC 9112 section 9.3)."""
        options = ",".join(self.values("connection")).lower()
        if "close" in options:
            return False
        framed = bool(self.values("content-length") or self.values("transfer-encoding")) or self.status in (204, 304)
        return framed and (self.version != "1.0" or "keep-alive" in options)


def read_answer(data: bytes) -> Answer | None:
    """The final answer in `data`, interim ones skipped; None where there is none."""
    for found in _STATUS.finditer(data):
        if found.start() and data[found.start() - 1 : found.start()] != b"\n":
            continue
        status = int(found[2])
        if 100 <= status < 200:
            continue
        head, _, body = data[found.end() :].replace(b"\r\n", b"\n").partition(b"\n\n")
        fields = tuple((_text(one[1]).lower(), _text(one[2])) for one in _FIELD.finditer(head))
        return Answer(_text(found[1]), status, _text(found[3] or b""), fields, body)
    return None


def is_wsdl(answer: Answer | None) -> bool:
    """Whether an answer is the description of a service."""
    return answer is not None and answer.status == 200 and _WSDL.search(answer.body) is not None


def _challenges(value: str) -> list[str]:
    found = []
    for part in re.finditer(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]*)(?=\s|,|$)", value):
        scheme = part[1]
        if scheme.lower() in _SCHEMES:
            realm = re.match(r'[^,]*?realm="([^"]*)"', value[part.end() :])
            found.append(f'{scheme} (realm "{realm[1]}")' if realm else scheme)
    return found


def _text(data: bytes) -> str:
    text = data.decode("latin-1")
    return "".join(char if char.isprintable() else "?" for char in text)
