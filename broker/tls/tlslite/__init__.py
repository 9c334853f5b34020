"""The engine on tlslite-ng: what obsolete TLS there is where pip is all there is.

Nothing of tlslite is imported before an upstream asks for it: most brokers never do.
"""

import warnings
from importlib.util import find_spec

from broker.tls.engine import ClientTls
from broker.tls.options import TlsOptions
from broker.tls.versions import TlsVersion

__all__ = ["client_tls", "refusal"]


def refusal(options: TlsOptions) -> str | None:
    """What of the options tlslite-ng cannot do, as a clause; None when it can do all."""
    from broker.tls.tlslite.suites import offered

    if find_spec("tlslite") is None or find_spec("OpenSSL") is None:
        return "tlslite-ng or pyOpenSSL is not installed"
    if options.min_version > TlsVersion.TLSv1_2:
        return "tlslite is used up to TLS 1.2 only"
    if options.security_level > 0:
        return "tlslite knows no `security_level` but 0"
    if not offered(options.cipher_list, options.max_version):
        return "tlslite has none of the suites that `ciphers` names for these versions"
    return None


def client_tls(options: TlsOptions) -> ClientTls:
    """The engine's maker; raises `OSError`, `ssl.SSLError` or `ValueError` when a file or the list cannot be used."""
    with warnings.catch_warnings():
        # tlslite imports asyncore, which Python 3.11 warns of, and does without it where it is gone.
        warnings.simplefilter("ignore", DeprecationWarning)
        from broker.tls.tlslite.maker import TlsliteTls

    return TlsliteTls(options)
