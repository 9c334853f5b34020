"""Apache httpd on loopback: a configuration of its own, modules of the Debian package."""

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5, sha1
from pathlib import Path
from tempfile import TemporaryDirectory

from needs import needs
from scenario_servers import free_port, process

from broker.testing.pki import Issued

USER, PASSWORD, REALM = "wms", "s3cret: of wms", "Warehouse"
_MODULES = [
    "mpm_prefork",
    "alias",
    "auth_basic",
    "auth_digest",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "cgi",
    "env",
    "setenvif",
    "socache_shmcb",
    "ssl",
]

_CONFIG = """
ServerRoot {directory}
ServerName localhost
PidFile {directory}/pid
ErrorLog {directory}/error.log
User www-data
Group www-data
StartServers 60
MinSpareServers 1
MaxSpareServers 80
MaxRequestWorkers 80
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
{modules}
LogFormat "%>s %m %U %{{Authorization}}i" seen
CustomLog {directory}/access.log seen
<Directory />
    Require all denied
</Directory>
{aliases}
"""
_PLACE = """
ScriptAlias /{name}/ {directory}/echo.cgi/
<Location /{name}/>
{lines}
</Location>
"""
_TLS = """
SSLEngine on
SSLCertificateFile {chain}
SSLCertificateKeyFile {key}
SSLCACertificateFile {ca}
SSLSessionCache none
"""
# Who called, and what came. CGI has to read all of a body before it writes.
_ECHO = """#!/bin/sh
printf 'Content-Type: text/plain\\n\\n%s|%s|' "$REMOTE_USER" "$SSL_CLIENT_S_DN"
exec sha256sum
"""
BASIC = f"""
    AuthType Basic
    AuthName {REALM}
    AuthBasicProvider file
    AuthUserFile users
    Require valid-user
"""
DIGEST = f"""
    AuthType Digest
    AuthName {REALM}
    AuthDigestProvider file
    AuthUserFile digests
    AuthDigestDomain /
    Require valid-user
"""


@dataclass(frozen=True)
class Tls:
    """How this server speaks TLS: its certificate, and the CA of its clients."""

    identity: Issued
    clients_pem: str
    more: str = ""


@dataclass(frozen=True)
class Logged:
    """One request as Apache logged it."""

    status: int
    method: str
    path: str
    authorization: str

    @property
    def use(self) -> tuple[str, int]:
        """Which nonce was used, and for the how-manieth time."""
        nonce = re.search(r'nonce=\\?"(.*?)\\?"', self.authorization)
        count = re.search(r"nc=([0-9a-f]{8})", self.authorization)
        return (nonce[1] if nonce else "", int(count[1], 16) if count else 0)


class Apache:
    """A running server."""

    def __init__(self, directory: Path, port: int) -> None:
        self._log = directory / "access.log"
        self.port = port

    def logged(self) -> list[Logged]:
        """All requests so far; each is written when its answer is out."""
        lines = [line.split(" ", 3) for line in self._log.read_text().splitlines()]
        return [Logged(int(status), method, path, rest) for status, method, path, rest in lines]


@contextmanager
def apache(places: dict[str, str], tls: Tls | None = None) -> Iterator[Apache]:
    """Apache with these places (name → directives), each of which says who called and what the digest of the body is.

    Started as root, it serves as www-data, which has to get at its files: not every directory will do.
    """
    program = needs("apache2")
    with TemporaryDirectory() as name:
        directory, port = Path(name), free_port()
        directory.chmod(0o755)
        _write(directory, "users", f"{USER}:{{SHA}}{b64encode(sha1(PASSWORD.encode()).digest()).decode()}\n")
        _write(directory, "digests", f"{USER}:{REALM}:{md5(f'{USER}:{REALM}:{PASSWORD}'.encode()).hexdigest()}\n")
        _write(directory, "echo.cgi", _ECHO).chmod(0o755)
        config = _write(directory, "apache.conf", f"Listen 127.0.0.1:{port}\n" + _config(directory, places, tls))
        with process([program, "-DFOREGROUND", "-f", str(config)], port):
            yield Apache(directory, port)


def _config(directory: Path, places: dict[str, str], tls: Tls | None) -> str:
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in _MODULES)
    aliases = [_PLACE.format(name=name, directory=directory, lines=lines) for name, lines in places.items()]
    text = _CONFIG.format(directory=directory, modules=modules, aliases="\n".join(aliases))
    if tls is None:
        return text
    chain, key = tls.identity.write(directory, "server")
    ca = _write(directory, "clients.crt", tls.clients_pem)
    return text + _TLS.format(chain=chain, key=key, ca=ca) + tls.more


def _write(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text)
    return path
