"""A look-alike of IIS with Windows authentication: it authenticates connections, by NTLM and Negotiate.

with accounts([User("CORP", "wms", "secret")]) as file:
    async with Iis(file) as server:
        ...  # http://127.0.0.1:{server.port}/
"""

from broker.testing.windows_auth.acceptor import User, accounts
from broker.testing.windows_auth.client import Talker
from broker.testing.windows_auth.manners import Manners
from broker.testing.windows_auth.server import Iis

__all__ = ["Iis", "Manners", "Talker", "User", "accounts"]
