"""What can be wrong with the bytes of a message."""


class ProtocolError(Exception):
    """A message that breaks RFC 9112. `code` is the contract's error code for a request that does so."""

    def __init__(self, reason: str, code: str = "bad_request") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
