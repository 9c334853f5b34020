"""tlslite's record layer over bytes in memory, made fit for bulk."""

from collections.abc import Iterator
from hmac import compare_digest
from typing import Any, Final

from tlslite.bufferedsocket import BufferedSocket
from tlslite.errors import TLSAbruptCloseError, TLSBadRecordMAC, TLSDecryptionFailed, TLSRecordOverflow
from tlslite.messages import RecordHeader3
from tlslite.recordlayer import RecordLayer, RecordSocket

from broker.tls.errors import TlsFailure
from broker.tls.tlslite.ciphers import FACTORIES

_HEADER: Final = 5
_CONTENT_TYPES: Final = frozenset(range(20, 25))
_MOST: Final = 2**14 + 2048
_MOST_OF_A_HANDSHAKE: Final = 2**18
_SSL3: Final = (3, 0)
_TLS1_1: Final = (3, 2)


class Wire:
    """What tlslite takes for its socket: two buffers."""

    __slots__ = ("eof", "inbox", "outbox")

    def __init__(self) -> None:
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.eof = False

    def send(self, data: bytes) -> int:
        self.outbox += data
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.outbox += data

    def close(self) -> None:
        """The transport is the stream's to close."""

    def take(self) -> bytes:
        """What has to be sent."""
        data = bytes(self.outbox)
        self.outbox.clear()
        return data


class _Records(RecordSocket):  # type: ignore[misc]
    def __init__(self, sock: BufferedSocket, wire: Wire) -> None:
        super().__init__(sock)
        self._wire = wire
        self.left: int | None = _MOST_OF_A_HANDSHAKE

    def recv(self) -> Iterator[object]:
        """One record, as header and body; 0 for as long as it is not all there.

        tlslite's own takes what is not TLS for SSLv2; here it is told apart, with the reason that OpenSSL gives.
        """
        inbox = self._wire.inbox
        while len(inbox) < _HEADER:
            _check_start(inbox)
            yield self._starved()
        _check_start(inbox)
        length = int.from_bytes(inbox[3:_HEADER], "big")
        if length > _MOST:
            raise TLSRecordOverflow
        if self.left is not None:
            self.left -= length
            if self.left < 0:
                raise TlsFailure("EXCESSIVE_MESSAGE_SIZE", "the server's handshake has no end")
        end = _HEADER + length
        while len(inbox) < end:
            yield self._starved()
        header = RecordHeader3().create((inbox[1], inbox[2]), inbox[0], length)
        body = inbox[_HEADER:end]
        del inbox[:end]
        yield header, body

    def _starved(self) -> int:
        if self._wire.eof:
            raise TLSAbruptCloseError
        return 0


def _check_start(inbox: bytearray) -> None:
    if inbox and (inbox[0] not in _CONTENT_TYPES or (len(inbox) > 1 and inbox[1] != _SSL3[0])):
        raise TlsFailure("WRONG_VERSION_NUMBER", "the answer is not TLS")


class Records(RecordLayer):  # type: ignore[misc]
    """The record layer of one connection."""

    def __init__(self, sock: BufferedSocket, wire: Wire) -> None:
        super().__init__(sock)
        self._recordSocket = _Records(sock, wire)

    @staticmethod
    def _getCipherSettings(cipherSuite: int) -> tuple[int, int, object]:  # noqa: N802, N803
        key_length, iv_length, factory = RecordLayer._getCipherSettings(cipherSuite)  # noqa: SLF001
        return key_length, iv_length, None if factory is None else FACTORIES[factory.__name__]

    def _decryptThenMAC(self, recordType: int, data: bytearray) -> bytearray:  # noqa: N802, N803
        """Decrypt a CBC record and check padding and MAC.

        tlslite computes the MAC for each of 256 possible ends, in Python, to hide by time where the padding was wrong
        (Lucky Thirteen). Here the MAC is computed once, bad padding counts as none, and the bytes that padding took
        away are hashed all the same, so that each record of a length costs the same number of blocks.
        """
        state = self._readState
        cipher, mac = state.encContext, state.macContext
        if len(data) % cipher.block_size:
            raise TLSDecryptionFailed
        data = cipher.decrypt(data)
        if self.version >= _TLS1_1:
            del data[: cipher.block_size]
        sequence = state.getSeqNumBytes()
        if len(data) <= mac.digest_size:
            raise TLSBadRecordMAC
        padding = data[-1]
        good = self._padding_is_good(data, padding, cipher.block_size, mac.digest_size)
        padding = padding if good else 0
        end = len(data) - 1 - padding - mac.digest_size
        expected = self.calculateMAC(mac.copy(), sequence, recordType, memoryview(data)[:end])
        mac.copy().update(bytes(padding))
        if not compare_digest(expected, data[end : end + mac.digest_size]) or not good:
            raise TLSBadRecordMAC
        del data[end:]
        return data

    def _padding_is_good(self, data: bytearray, padding: int, block_size: int, mac_size: int) -> bool:
        if padding + 1 + mac_size > len(data):
            return False
        if self.version == _SSL3:
            # Its padding has no set value.
            return padding < block_size
        return data.endswith(bytes((padding,)) * (padding + 1))

    def __repr__(self) -> str:
        return "Records()"

    def records(self) -> Iterator[Any]:
        """The records after the handshake, without end; 0 for as long as the next is not all there."""
        self._recordSocket.left = None
        return iter(self.recvRecord())
