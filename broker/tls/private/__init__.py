"""The engine on a private OpenSSL, linked statically into a library of its own: everything from SSLv3 on.

`build.sh` makes the library (`make obsolete-tls`; the container image has it).
"""

from broker.tls.engine import ClientTls
from broker.tls.options import TlsOptions
from broker.tls.private.context import FileError, PrivateTls
from broker.tls.private.library import load, version

__all__ = ["FileError", "available", "client_tls", "load", "version"]


def available() -> bool:
    """Whether the library was built and can be loaded."""
    return load() is not None


def client_tls(options: TlsOptions) -> ClientTls:
    """The engine's maker; raises `OSError` or `ValueError` when a file or the cipher list cannot be used."""
    return PrivateTls(options)
