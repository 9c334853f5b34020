"""The few libssl settings that Python's `ssl` does not expose, set on its contexts through ctypes.

A `_ssl._SSLContext` holds its `SSL_CTX *` right behind the object header. Before anything is set, the pointer is
proved: libssl must report through it the same options that Python reports. Where the proof or the symbols are
missing (a statically linked interpreter), `available` is False and callers take their stricter fallback.
"""

import _ssl  # type: ignore[import-not-found,unused-ignore]
import ctypes
import ssl
from functools import lru_cache
from typing import Final

_CTRL_SET_GROUPS_LIST: Final = 92
_PURPOSE_ANY: Final = 7
_SECURITY_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
)
_WORD: Final = 0xFFFFFFFF


@lru_cache(maxsize=1)
def _libssl() -> ctypes.CDLL | None:
    """The libssl that the interpreter itself uses, looked up through its extension module."""
    try:
        library = ctypes.CDLL(_ssl.__file__)
        library.SSL_CTX_get_options.argtypes = [ctypes.c_void_p]
        library.SSL_CTX_get_options.restype = ctypes.c_uint64
        library.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
        library.SSL_CTX_ctrl.restype = ctypes.c_long
        library.SSL_CTX_set_purpose.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.SSL_CTX_set_purpose.restype = ctypes.c_int
        library.SSL_CTX_set_security_callback.argtypes = [ctypes.c_void_p, _SECURITY_CALLBACK]
        library.SSL_CTX_set_security_callback.restype = None
    except (AttributeError, OSError):
        return None
    return library


def _pointer(context: ssl.SSLContext) -> int | None:
    """The context's `SSL_CTX *`, or None when it cannot be proved to be one."""
    library = _libssl()
    if library is None:
        return None
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if pointer is None or library.SSL_CTX_get_options(pointer) & _WORD != int(context.options) & _WORD:
        return None
    return pointer


def set_groups(context: ssl.SSLContext, groups: str) -> bool:
    """Set the key-exchange groups (RFC 8446 section 4.2.7), as `X25519:P-256`; False when that cannot be done."""
    if hasattr(context, "set_groups"):
        context.set_groups(groups)
        return True
    library, pointer = _libssl(), _pointer(context)
    if library is None or pointer is None:
        return False
    return bool(library.SSL_CTX_ctrl(pointer, _CTRL_SET_GROUPS_LIST, 0, groups.encode()) == 1)


def waive_purpose(context: ssl.SSLContext) -> bool:
    """Accept certificates whatever their (extended) key usage says; False when that cannot be done."""
    library, pointer = _libssl(), _pointer(context)
    if library is None or pointer is None:
        return False
    return bool(library.SSL_CTX_set_purpose(pointer, _PURPOSE_ANY) == 1)


def _let_through(*_: object) -> int:
    return 1


# Held for ever: libssl keeps the pointer.
_LET_THROUGH: Final = _SECURITY_CALLBACK(_let_through)


def allow_any_strength(context: ssl.SSLContext) -> bool:
    """Take keys and groups of any size, which level 0 alone does not; False when that cannot be done."""
    library, pointer = _libssl(), _pointer(context)
    if library is None or pointer is None:
        return False
    library.SSL_CTX_set_security_callback(pointer, _LET_THROUGH)
    return True
