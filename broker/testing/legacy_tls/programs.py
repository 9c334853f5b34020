"""The programs that play servers of the past, and where they are."""

import importlib.util
import os
import shutil
from pathlib import Path

OBSOLETE = "obsolete-openssl"
"""An OpenSSL built with SSLv3 and weak ciphers."""
TLSLITE = "tlslite-ng"

_PACKAGES = {
    "openssl": "openssl",
    "selfserv": "libnss3-tools",
    "gnutls-serv": "gnutls-bin",
    "gnutls-cli": "gnutls-bin",
    "cc": "gcc and libc6-dev",
}
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
_BUILT = Path(__file__).parents[3] / ".obsolete-tls" / "openssl"


def find(program: str) -> str | None:
    """The path of a program, or None."""
    if program == TLSLITE:
        return TLSLITE if importlib.util.find_spec("tlslite") else None
    if program == OBSOLETE:
        return shutil.which(os.environ.get("BROKER_OBSOLETE_OPENSSL") or _BUILT)
    return shutil.which(program, path=_PATH)


def require(program: str) -> str:
    """The path of a program; raises FileNotFoundError with the reason when it is missing."""
    if found := find(program):
        return found
    raise FileNotFoundError(why_missing(program))


def why_missing(program: str) -> str | None:
    """What to do about a missing program; None when it is there."""
    if find(program):
        return None
    if program == OBSOLETE:
        return "an OpenSSL with SSLv3 is missing: build it, or name it in BROKER_OBSOLETE_OPENSSL"
    if program == TLSLITE:
        return "tlslite-ng is missing: install it with pip"
    return f"{program} is missing: install the Debian package {_PACKAGES.get(program, program)}"
