"""The first bytes of whoever listens on a port, read as TLS records, without a socket and without ever raising."""

from dataclasses import dataclass, field
from typing import Final

from broker.probe.server_hello import (
    KeyExchange,
    ServerHello,
    read_certificates,
    read_key_exchange,
    read_server_hello,
)
from broker.probe.suites import name_of
from broker.tls.versions import TlsVersion

_ALERT: Final = 21
_HANDSHAKE: Final = 22
_TYPES: Final = range(20, 25)
_MOST: Final = (1 << 14) + 2048
_MESSAGE_MOST: Final = 1 << 18
_FOREIGN_KEPT: Final = 256
_WARNING: Final = 1

ALERTS: Final = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    47: "illegal_parameter",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
}


@dataclass(slots=True)
class Flight:
    """What a server sent. Feed it; look at it after each feed."""

    hello: ServerHello | None = None
    certificates: tuple[bytes, ...] = ()
    key_exchange: KeyExchange | None = None
    wants_certificate: bool = False
    done: bool = False
    """All of it came that is readable: up to ServerHelloDone, or in TLS 1.3 the ServerHello."""
    alert: str | None = None
    """The fatal alert, by name."""
    warnings: list[str] = field(default_factory=list)
    foreign: bytes = b""
    """The start of what is not TLS."""
    sslv2: bool = False
    """It answered as SSLv2 does."""
    malformed: bool = False
    size: int = 0
    _records: bytes = b""
    _messages: bytes = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.size += len(data)
        if self.foreign:
            self.foreign = (self.foreign + data)[:_FOREIGN_KEPT]
        elif not self.over:
            self._records += data
            while not self.over and not self.foreign and self._record():
                pass

    @property
    def over(self) -> bool:
        """Whether nothing more is to be learnt."""
        return self.done or self.malformed or self.sslv2 or self.alert is not None

    def _record(self) -> bool:
        data = self._records
        if self.hello is None and not self._messages and not self._begins_as_tls(data):
            return False
        if len(data) < 5:
            return False
        kind, size = data[0], int.from_bytes(data[3:5], "big")
        if kind not in _TYPES or data[1] != 3 or size > _MOST:
            self.malformed = True
            return False
        if len(data) < 5 + size:
            return False
        self._records = data[5 + size :]
        self._content(kind, data[5 : 5 + size])
        return True

    def _begins_as_tls(self, data: bytes) -> bool:
        """Tells records from SSLv2 and from everything else, by the first bytes."""
        if not data:
            return False
        if data[0] in _TYPES and (len(data) < 2 or data[1] == 3):
            return True
        if data[0] & 0x80 and len(data) < 3:
            return False
        if data[0] & 0x80 and data[2] == 4:
            self.sslv2 = True
            return False
        self.foreign, self._records = data[:_FOREIGN_KEPT], b""
        return False

    def _content(self, kind: int, content: bytes) -> None:
        if kind == _ALERT:
            self._take_alert(content)
        elif kind == _HANDSHAKE:
            self._messages += content
            while not self.over and self._message():
                pass

    def _take_alert(self, content: bytes) -> None:
        if len(content) != 2:
            self.malformed = True
            return
        name = ALERTS.get(content[1], f"alert {content[1]}")
        if content[0] == _WARNING and name != "close_notify":
            self.warnings.append(name)
        else:
            self.alert = name

    def _message(self) -> bool:
        data = self._messages
        if len(data) < 4:
            return False
        size = int.from_bytes(data[1:4], "big")
        if size > _MESSAGE_MOST:
            self.malformed = True
            return False
        if len(data) < 4 + size:
            return False
        self._messages = data[4 + size :]
        self._take(data[0], data[4 : 4 + size])
        return True

    def _take(self, kind: int, body: bytes) -> None:
        if kind == 2:
            self.hello = read_server_hello(body)
            self.malformed = self.hello is None
            self.done = self.hello is not None and self.hello.version >= TlsVersion.TLSv1_3
        elif self.hello is None:
            self.malformed = kind != 0
        elif kind == 11:
            found = read_certificates(body)
            self.malformed = found is None
            self.certificates = found or ()
        elif kind == 12:
            self.key_exchange = read_key_exchange(body, name_of(self.hello.suite))
        elif kind == 13:
            self.wants_certificate = True
        elif kind == 14:
            self.done = True
