"""What can be wrong with the bytes of a message."""

from broker.core.quirks import Quirk


class ProtocolError(Exception):
    """A message that breaks RFC 9112. `code` is the contract's error code for a request that does so.

    `quirk` is the one with which an answer would have passed, where that is certain without another look.
    """

    def __init__(self, reason: str, code: str = "bad_request", quirk: Quirk | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.quirk = quirk
