"""Protocol versions, by their wire number and by the name that the configuration uses."""

from enum import IntEnum


class TlsVersion(IntEnum):
    """SSLv3 (RFC 6101) to TLS 1.3 (RFC 8446); the value is the version on the wire."""

    SSLv3 = 0x0300
    TLSv1_0 = 0x0301
    TLSv1_1 = 0x0302
    TLSv1_2 = 0x0303
    TLSv1_3 = 0x0304

    @property
    def label(self) -> str:
        """`TLSv1.0`, as routes.yaml has it."""
        return self.name.replace("_", ".")

    @classmethod
    def of(cls, label: str) -> "TlsVersion":
        """The version of a label; raises `KeyError`."""
        return cls[label.replace(".", "_")]
