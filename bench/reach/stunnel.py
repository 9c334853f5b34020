"""stunnel towards a legacy server: it carries bytes and knows no HTTP."""

import os
import re
import shutil
import subprocess

from bench.peers.setup import Command
from bench.reach import openssl
from bench.reach.proxy import Proxy
from bench.reach.wish import Wish

_OPTIONS = (
    "ALLOW_UNSAFE_LEGACY_RENEGOTIATION",
    "LEGACY_SERVER_CONNECT",
    "DONT_INSERT_EMPTY_FRAGMENTS",
    "IGNORE_UNEXPECTED_EOF",
)
_PLAIN = ("NO_TICKET", "NO_ENCRYPT_THEN_MAC", "NO_EXTENDED_MASTER_SECRET")


def prepare(wish: Wish) -> Command:
    """Writes stunnel.conf."""
    lines = [
        "foreground = yes",
        "pid =",
        "[legacy]",
        "client = yes",
        f"accept = 127.0.0.1:{wish.listen}",
        f"connect = {wish.address.replace('[', '').replace(']', '')}",
        f"ciphers = {openssl.ciphers(wish)}",
        "securityLevel = 0",
        "sslVersionMin = all",
        f"sslVersionMax = {wish.most.replace('TLSv1.0', 'TLSv1')}",
        "TIMEOUTbusy = 4",
        f"sni = {wish.name or ''}",
        *(f"options = {option}" for option in [*_OPTIONS, *(_PLAIN if wish.plain else ())]),
    ]
    if wish.identity:
        lines += [f"cert = {wish.identity[0]}", f"key = {wish.identity[1]}"]
    path = wish.directory / "stunnel.conf"
    path.write_text("\n".join([*lines, ""]))
    return Command([_binary(), str(path)], openssl.environment(wish))


def _binary() -> str:
    return shutil.which("stunnel4", path=f"{os.environ.get('PATH', '')}:/usr/bin") or ""


def _version() -> str:
    done = subprocess.run([_binary(), "-version"], capture_output=True, text=True, timeout=20, check=False)
    found = re.search(r"stunnel (\d+\.\d+)", done.stdout + done.stderr)
    return found[1] if found else "unknown"


PROXY = Proxy(
    "stunnel",
    "stunnel",
    lambda: "" if _binary() else "apt-get install stunnel4",
    _version,
    prepare,
    "`sslVersionMin = all`, `securityLevel = 0`, `ciphers = ALL:COMPLEMENTOFALL:@SECLEVEL=0`, `options` for RFC 5746, "
    "extensions and a missing close_notify",
)
