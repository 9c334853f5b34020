"""What an upstream offers in `WWW-Authenticate`: challenges, one or more in each line (RFC 9110 section 11.6.1)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# Commas part challenges and parameters alike, but not within a quoted string.
_ELEMENT: Final = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MOST_NAMED: Final = 8


@dataclass(frozen=True, slots=True)
class Offer:
    """One challenge."""

    scheme: bytes
    """In lower case."""
    rest: bytes
    """Its parameters, or its token68, as they came."""


def offers(values: Iterable[bytes]) -> list[Offer]:
    """All challenges in the order in which they came; what belongs to none is passed over."""
    found: list[tuple[bytes, list[bytes]]] = []
    for value in values:
        for element in _ELEMENT.findall(value):
            text = element.strip(b" \t")
            scheme, rest = _scheme(text)
            if scheme:
                found.append((scheme.lower(), [rest] if rest else []))
            elif text and found:
                found[-1][1].append(text)
    return [Offer(scheme, b", ".join(parts)) for scheme, parts in found]


def _scheme(element: bytes) -> tuple[bytes, bytes]:
    """The scheme that begins with this element, and what follows it; nothing where a parameter goes on."""
    token = _TOKEN.match(element)
    if token is None:
        return b"", b""
    after = element[token.end() :]
    rest = after.lstrip(b" \t")
    if rest and (rest == after or rest.startswith(b"=")):
        return b"", b""
    return token[0], rest


def named(found: Iterable[Offer]) -> str:
    """The schemes for a message: their names alone, and not whatever else a server may write."""
    schemes = dict.fromkeys(offer.scheme.decode("ascii", "replace")[:32] for offer in found)
    return ", ".join(list(schemes)[:_MOST_NAMED]) or "nothing"
