"""An upstream's settings as the private OpenSSL has them."""

import ctypes
import ssl
from pathlib import Path
from typing import Final

from broker.tls.options import TlsOptions
from broker.tls.private import library
from broker.tls.private.engine import PrivateEngine
from broker.tls.private.library import Settings
from broker.tls.private.session import Session
from broker.tls.sessions import Sessions

_REASON: Final = 128


class FileError(ValueError):
    """A file of certificates or keys cannot be used."""


class PrivateTls:
    """Makes `PrivateEngine`s for one upstream."""

    name = "private"
    checks_name = False

    def __init__(self, options: TlsOptions) -> None:
        """Raises `OSError` or `FileError` when a file cannot be used, `ValueError` when no cipher is known."""
        loaded = library.load()
        assert loaded is not None  # noqa: S101 - engines.choose asked
        self.options = options
        self._library = loaded
        self._sessions: Sessions[Session] | None = Sessions() if options.session_reuse else None
        reason = ctypes.create_string_buffer(_REASON)
        self._context = loaded.obsolete_context(ctypes.byref(_settings(options)), reason, _REASON)
        if not self._context:
            raise _failure(options, reason.value.decode())

    def engine(self, server_name: str | None, host: str, port: int) -> PrivateEngine:
        """See `ClientTls.engine`."""
        slot = None if self._sessions is None else self._sessions.of(host, port)
        return PrivateEngine(self._library, self._context, server_name, slot)

    def __del__(self) -> None:
        context = getattr(self, "_context", None)
        if context:
            self._library.obsolete_context_free(context)


def _settings(options: TlsOptions) -> Settings:
    identity = options.identity
    for file in [options.trust.ca, *((identity.chain, identity.key) if identity is not None else ())]:
        if file is not None:
            file.open("rb").close()
    ca_file, ca_path = _roots(options)
    alpn = b"".join(bytes([len(name)]) + name.encode() for name in options.alpn)
    return Settings(
        min_version=options.min_version,
        max_version=options.max_version,
        security_level=options.security_level,
        flags=_flags(options),
        ciphers=options.cipher_list.encode(),
        ca_file=ca_file,
        ca_path=ca_path,
        chain_file=None if identity is None else bytes(identity.chain),
        key_file=None if identity is None else bytes(identity.key),
        alpn=alpn or None,
        alpn_length=len(alpn),
    )


def _flags(options: TlsOptions) -> int:
    trust = options.trust
    chosen = {
        library.ANY_STRENGTH: options.any_strength,
        library.LEGACY_RENEGOTIATION: options.legacy_renegotiation,
        library.PLAIN_HELLO: options.hello != "full",
        library.VERIFY_CHAIN: trust.chain,
        library.PINNED: bool(trust.pins),
    }
    return sum(flag for flag, wanted in chosen.items() if wanted)


def _roots(options: TlsOptions) -> tuple[bytes | None, bytes | None]:
    """The file and the directory of trusted roots: those named, else those of the system's OpenSSL."""
    trust = options.trust
    if not trust.chain:
        return None, None
    if trust.ca is not None:
        return bytes(trust.ca), None
    system = ssl.get_default_verify_paths()
    return _existing(system.cafile), _existing(system.capath)


def _existing(name: str | None) -> bytes | None:
    return bytes(Path(name)) if name and Path(name).exists() else None


def _failure(options: TlsOptions, reason: str) -> ValueError:
    if reason == "no cipher match":
        return ValueError("names no suite that the private OpenSSL has")
    if options.identity is not None:
        return FileError(f"the client certificate cannot be used: {reason}")
    return FileError(reason)
