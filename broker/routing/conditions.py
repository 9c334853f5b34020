"""What a route asks of a request besides path and host."""

import re
from dataclasses import dataclass

from broker.core.heads import RequestHead

_ACTION = re.compile(rb';\s*action\s*=\s*(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)


def soap_action(head: RequestHead) -> bytes | None:
    """The action of a SOAP request: the SOAPAction header of 1.1, or the parameter of 1.2's media type (RFC 3902)."""
    kind = head.content_type
    if kind.lower().startswith(b"application/soap+xml"):
        found = _ACTION.search(kind)
        return (found[1] if found[1] is not None else found[2]) if found else None
    return head.soap_action.strip(b'"') if head.soap_action is not None else None


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
        if self.action is not None and soap_action(head) != self.action:
            return False
        return not self.headers or all(
            any(found.strip(b" \t") == value for found in head.values(name)) for name, value in self.headers
        )
