"""A session of the private OpenSSL, freed with its last holder."""

import ctypes


class Session:
    """Owns an `SSL_SESSION *`."""

    __slots__ = ("_library", "pointer")

    def __init__(self, library: ctypes.CDLL, pointer: int) -> None:
        self._library = library
        self.pointer = pointer

    def __del__(self) -> None:
        self._library.obsolete_session_free(self.pointer)
