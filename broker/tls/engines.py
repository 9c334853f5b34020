"""Which engine speaks to an upstream: the one that is named, or the best that is here."""

import ssl
from collections.abc import Callable
from typing import Final

from broker.tls import private, tlslite
from broker.tls.engine import ClientTls
from broker.tls.options import TlsOptions
from broker.tls.system import SystemTls
from broker.tls.versions import TlsVersion

BUILD: Final = "build the private OpenSSL (`make obsolete-tls`; the container image has it)"


class EngineError(Exception):
    """An upstream's TLS cannot be spoken here; `key` is the key of `tls` to look at."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def client_tls(options: TlsOptions, wanted: str = "auto") -> ClientTls:
    """The engine for an upstream; `wanted` is `tls.engine`. Raises `EngineError` with the way out."""
    name = choose(options, wanted)
    try:
        return _MAKERS[name](options)
    except ssl.SSLError as error:
        raise EngineError(*_blame(options, error)) from None
    except OSError as error:
        raise EngineError(_file_key(options, error), str(error)) from None
    except private.FileError as error:
        raise EngineError("ca" if options.identity is None else "client_certificate", str(error)) from None
    except ValueError as error:
        raise EngineError("ciphers", str(error)) from None


def choose(options: TlsOptions, wanted: str = "auto") -> str:
    """The name of the engine; raises `EngineError` when none that is here can honour the options."""
    if wanted == "auto":
        return _best(options)
    refusal = refusal_of(wanted, options)
    if refusal is not None:
        raise EngineError("engine", refusal)
    return wanted


def refusal_of(engine: str, options: TlsOptions) -> str | None:
    """Why an engine cannot honour the options, and the way out; None when it can."""
    if engine == "private":
        return None if private.available() else f"the private OpenSSL is not here: {BUILD}"
    if engine == "tlslite":
        return tlslite.refusal(options)
    if options.max_version is TlsVersion.SSLv3:
        return "the system's OpenSSL has no SSLv3: use `profile: obsolete`, whose engines have it"
    return None


def _best(options: TlsOptions) -> str:
    if options.profile != "obsolete" and options.max_version > TlsVersion.SSLv3:
        return "system"
    if private.available():
        return "private"
    refusal = refusal_of("tlslite", options)
    if refusal is not None:
        raise EngineError("profile", f"no engine that is here can do this ({refusal}): {BUILD}")
    return "tlslite"


def _private(options: TlsOptions) -> ClientTls:
    return private.client_tls(options)


def _tlslite(options: TlsOptions) -> ClientTls:
    return tlslite.client_tls(options)


_MAKERS: Final[dict[str, Callable[[TlsOptions], ClientTls]]] = {
    "system": SystemTls,
    "private": _private,
    "tlslite": _tlslite,
}


def _blame(options: TlsOptions, error: ssl.SSLError) -> tuple[str, str]:
    # Python sets no `reason` where no suite of the list is known.
    if "cipher" in str(error).lower():
        return "ciphers", "names no suite that the system's OpenSSL has; `profile: obsolete` has more"
    return ("client_certificate" if options.identity is not None else "ca"), str(error)


def _file_key(options: TlsOptions, error: OSError) -> str:
    identity = options.identity
    named = str(error.filename) if error.filename else ""
    return "client_certificate" if identity is not None and named in (str(identity.chain), str(identity.key)) else "ca"
