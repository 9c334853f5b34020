"""Finding and loading the private OpenSSL: a shared library with OpenSSL linked into it and all its symbols hidden.

The process's own OpenSSL, and with it hop 1, is another copy that this one cannot see and is not seen by.
"""

import ctypes
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final

WANT: Final = -1
FAILED: Final = -2
CUT: Final = -3
"""Results of the library, as in obsolete_tls.h."""

ANY_STRENGTH: Final = 1
LEGACY_RENEGOTIATION: Final = 2
PLAIN_HELLO: Final = 4
VERIFY_CHAIN: Final = 8
PINNED: Final = 16

_VARIABLE: Final = "BROKER_OBSOLETE_TLS"
_PLACE: Final = Path("lib", "broker", "obsolete_tls.so")


class Settings(ctypes.Structure):
    """`struct obsolete_settings`."""

    _fields_ = [
        ("min_version", ctypes.c_int),
        ("max_version", ctypes.c_int),
        ("security_level", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("ciphers", ctypes.c_char_p),
        ("ca_file", ctypes.c_char_p),
        ("ca_path", ctypes.c_char_p),
        ("chain_file", ctypes.c_char_p),
        ("key_file", ctypes.c_char_p),
        ("alpn", ctypes.c_char_p),
        ("alpn_length", ctypes.c_uint),
    ]


_POINTER: Final = ctypes.c_void_p
_SIGNATURES: Final[dict[str, tuple[type | None, list[type]]]] = {
    "obsolete_version": (ctypes.c_char_p, []),
    "obsolete_context": (_POINTER, [ctypes.POINTER(Settings), ctypes.c_char_p, ctypes.c_size_t]),
    "obsolete_context_free": (None, [_POINTER]),
    "obsolete_new": (_POINTER, [_POINTER, ctypes.c_char_p, _POINTER]),
    "obsolete_free": (None, [_POINTER]),
    "obsolete_handshake": (ctypes.c_int, [_POINTER]),
    "obsolete_feed": (ctypes.c_int, [_POINTER, ctypes.c_char_p, ctypes.c_int]),
    "obsolete_feed_eof": (None, [_POINTER]),
    "obsolete_read": (ctypes.c_int, [_POINTER, ctypes.c_char_p, ctypes.c_int]),
    "obsolete_write": (ctypes.c_int, [_POINTER, ctypes.c_char_p, ctypes.c_int]),
    "obsolete_waiting": (ctypes.c_int, [_POINTER]),
    "obsolete_take": (ctypes.c_int, [_POINTER, ctypes.c_char_p, ctypes.c_int]),
    "obsolete_close": (None, [_POINTER]),
    "obsolete_reason": (ctypes.c_long, [_POINTER, ctypes.c_char_p, ctypes.c_size_t]),
    "obsolete_protocol": (ctypes.c_char_p, [_POINTER]),
    "obsolete_cipher": (ctypes.c_char_p, [_POINTER]),
    "obsolete_resumed": (ctypes.c_int, [_POINTER]),
    "obsolete_certificate": (ctypes.c_int, [_POINTER, ctypes.c_char_p, ctypes.c_int]),
    "obsolete_session": (_POINTER, [_POINTER]),
    "obsolete_session_free": (None, [_POINTER]),
}


def path() -> Path:
    """Where the library is: as `BROKER_OBSOLETE_TLS` says, else in the environment that the broker is installed in."""
    named = os.environ.get(_VARIABLE)
    return Path(named) if named else Path(sys.prefix, _PLACE)


@lru_cache(maxsize=1)
def load() -> ctypes.CDLL | None:
    """The library, or None where it was not built for this machine. Loaded on the first call, and kept."""
    try:
        library = ctypes.CDLL(str(path()))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except (OSError, AttributeError):
        return None
    return library


def version() -> str:
    """`OpenSSL 3.0.22 …`, or empty where the library is not here."""
    library = load()
    return "" if library is None else library.obsolete_version().decode()
