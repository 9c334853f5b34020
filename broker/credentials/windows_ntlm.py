"""NTLM messages, with the name of the computer that the configuration gives."""

import hmac
import struct
from typing import Any, Final

from spnego._ntlm import NTLMProxy
from spnego.channel_bindings import GssChannelBindings

# MS-NLMP section 2.2.1.3: where an AUTHENTICATE_MESSAGE has its parts, and section 2.2.2.5: its flags.
_WORKSTATION: Final = 44
_FLAGS: Final = 60
_PAYLOAD: Final = 64
_MIC_SIZE: Final = 16
_VERSION_SIZE: Final = 8
_UNICODE: Final = 0x00000001
_VERSION: Final = 0x02000000


class NtlmContext(NTLMProxy):
    """A client's side of one login."""

    def __init__(self, *positional: Any, workstation: str = "", **named: Any) -> None:
        super().__init__(*positional, **named)
        self._workstation = workstation
        self._negotiate = b""

    def step(
        self, in_token: bytes | None = None, *, channel_bindings: GssChannelBindings | None = None
    ) -> bytes | None:
        """The next message; raises whatever the peer's message provokes."""
        out = super().step(in_token, channel_bindings=channel_bindings)
        if out is None or not self._workstation:
            return out
        if not self.complete:
            self._negotiate = out
            return out
        return with_workstation(out, self._workstation, self.session_key, self._negotiate + (in_token or b""))


def with_workstation(message: bytes, name: str, key: bytes, before: bytes) -> bytes:
    """An AUTHENTICATE_MESSAGE that names this computer; `before`: the two messages that came before it.

    Its MIC (section 3.1.5.1.2), where there is one, is made anew.
    """
    flags = struct.unpack_from("<I", message, _FLAGS)[0]
    encoded = name.encode("utf-16-le" if flags & _UNICODE else "ascii")
    out = bytearray(message + encoded)
    struct.pack_into("<HHI", out, _WORKSTATION, len(encoded), len(encoded), len(message))
    start = _PAYLOAD + (_VERSION_SIZE if flags & _VERSION else 0)
    mic = slice(start, start + _MIC_SIZE)
    if any(out[mic]):
        out[mic] = bytes(_MIC_SIZE)
        out[mic] = hmac.digest(key, before + out, "md5")
    return bytes(out)
