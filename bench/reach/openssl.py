"""What the proxies on OpenSSL share: a configuration of the library that refuses nothing."""

from bench.reach.wish import Wish

OPTIONS = ("UnsafeLegacyRenegotiation", "UnsafeLegacyServerConnect", "-EmptyFragments")
PLAIN = ("-SessionTicket", "-EncryptThenMac", "-ExtendedMasterSecret")

_CONFIGURATION = """\
openssl_conf = modules
[modules]
ssl_conf = ssl
providers = providers
[providers]
default = active
legacy = active
[active]
activate = 1
[ssl]
system_default = system
[system]
MinProtocol = None
CipherString = {ciphers}
Options = {options}
"""


def ciphers(wish: Wish) -> str:
    """The cipher list, without a least strength."""
    return f"{wish.ciphers}:@SECLEVEL=0"


def options(wish: Wish) -> str:
    """SSL_CONF's `Options`."""
    return ",".join([*OPTIONS, *(PLAIN if wish.plain else ())])


def environment(wish: Wish) -> dict[str, str]:
    """Writes an openssl.cnf and names it."""
    path = wish.directory / "openssl.cnf"
    path.write_text(_CONFIGURATION.format(ciphers=ciphers(wish), options=options(wish)))
    return {"OPENSSL_CONF": str(path)}
