"""What a route asks of a request besides path and host."""

import re
from dataclasses import dataclass
from typing import Final

from broker.core.heads import RequestHead

_SOAP_12: Final = b"application/soap+xml"
_MEDIA_TYPE: Final = re.compile(rb'[^\s;,"]+[ \t]*')
_PARAMETER: Final = re.compile(
    rb';[ \t]*(?:([^\s;="]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*)))?[ \t]*', re.DOTALL
)
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)


def soap_action(head: RequestHead) -> bytes | None:
    """The action of a SOAP request: the SOAPAction header of 1.1, or the parameter of 1.2's media type (RFC 3902).

    None where there is none, and where two readers could find two: the service may be another reader than this.
    """
    kind = head.content_type
    lower = kind.lower()
    soap_12 = lower.startswith(_SOAP_12) and lower.partition(b";")[0].strip(b" \t") == _SOAP_12
    header = head.soap_action.strip(b'"') if head.soap_action is not None else None
    if b"action" not in lower:
        return None if soap_12 else header
    actions = _action_parameters(kind)
    if not actions:
        return None if soap_12 or actions is None else header
    if len(actions) > 1 or (header is not None and header != actions[0]):
        return None
    return actions[0] if soap_12 else header


def _action_parameters(kind: bytes) -> list[bytes] | None:
    """The `action` parameters of a media type (RFC 9110 section 5.6.6), or None where it is malformed."""
    found: list[bytes] = []
    match = _MEDIA_TYPE.match(kind)
    while match is not None and match.end() < len(kind):
        match = _PARAMETER.match(kind, match.end())
        if match is not None and match[1] is not None:
            name = match[1].lower()
            if name.startswith(b"action*"):
                # RFC 2231 writes a parameter in parts or with a charset; no client of SOAP does.
                return None
            if name == b"action":
                found.append(match[3] if match[2] is None else _QUOTED_PAIR.sub(rb"\1", match[2]))
    return None if match is None else found


def _asks_for(action: bytes, head: RequestHead) -> bool:
    """Whether this is the action of the request, beyond doubt."""
    header = head.soap_action
    if header is not None and header.strip(b'"') != action:
        # Of many routes for one path, most stand for other actions: they need no closer look.
        return False
    return soap_action(head) == action and _said_once(head)


def _said_once(head: RequestHead) -> bool:
    """Whether the lines that name the action come once: of two, some services take the first, others the last."""
    return len(head.values(b"soapaction")) < 2 and len(head.values(b"content-type")) < 2


def _says_only(head: RequestHead, name: bytes, value: bytes) -> bool:
    """Whether a field has this value, and no other beside it."""
    return {found.strip(b" \t") for found in head.values(name)} == {value}


@dataclass(frozen=True, slots=True)
class Conditions:
    """All of them must hold; an empty set of methods takes every method."""

    methods: frozenset[bytes] = frozenset()
    action: bytes | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def count(self) -> int:
        """How specific they are."""
        return bool(self.methods) + (self.action is not None) + len(self.headers)

    def takes(self, method: bytes) -> bool:
        """Whether the method is one of them."""
        return not self.methods or method in self.methods

    def hold(self, head: RequestHead) -> bool:
        """Whether everything but the method holds."""
        if self.action is not None and not _asks_for(self.action, head):
            return False
        return not self.headers or all(_says_only(head, name, value) for name, value in self.headers)
