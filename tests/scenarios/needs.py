"""Programs that scenarios run against, and the Debian package each comes from."""

import os
import shutil

import pytest

_PACKAGES = {
    "apache2": "apache2",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "redis-server": "redis-server",
    "sslscan": "sslscan",
}
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def needs(program: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    found = shutil.which(program, path=_PATH)
    if found is None:
        pytest.skip(f"{program} is missing: install the Debian package {_PACKAGES.get(program, program)}")
    return found
