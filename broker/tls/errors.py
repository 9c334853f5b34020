"""What TLS failed with, apart from any library's exception types."""


class TlsFailure(Exception):
    """A handshake or record that failed.

    `reason` is the library's symbol (`UNSUPPORTED_PROTOCOL`), `verify_code` the X509_V_ERR number when a certificate
    was refused, `message` the text for the log.
    """

    def __init__(self, reason: str, message: str = "", verify_code: int = 0) -> None:
        super().__init__(reason, message, verify_code)
        self.reason = reason
        self.message = message
        self.verify_code = verify_code

    def __str__(self) -> str:
        return self.message or self.reason
