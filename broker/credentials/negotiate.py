"""Negotiate (RFC 4559): Kerberos where it can be had, else NTLM, both wrapped in SPNEGO."""

from collections.abc import Awaitable, Callable

from broker.credentials.flow import Call, Seen
from broker.credentials.windows_account import Account
from broker.credentials.windows_handshake import WindowsInjector
from broker.credentials.windows_kerberos import AVAILABLE, NegotiateLogin, Tickets
from broker.credentials.windows_login import Login
from broker.credentials.windows_peer import peer


class NegotiateInjector(WindowsInjector):
    """Logs a user in on each connection; with Kerberos, usually with each request."""

    type = "negotiate"
    scheme = b"Negotiate"
    blocking = AVAILABLE

    def __init__(
        self,
        username: Callable[[], bytes],
        password: Callable[[], bytes],
        renew: Callable[[], Awaitable[bool]],
        *,
        domain: str = "",
        workstation: str = "",
        channel_binding: bool = True,
        spn: str = "",
    ) -> None:
        """As `WindowsInjector`; `spn`: the service principal name, empty for HTTP/ and the upstream's host."""
        super().__init__(
            username, password, renew, domain=domain, workstation=workstation, channel_binding=channel_binding
        )
        self._spn = spn
        self._tickets = Tickets()

    def _login(self, call: Call, account: Account) -> Login:
        target = peer(call, self._spn, channel_binding=self._channel_binding)
        return NegotiateLogin(account, target, self._workstation, self._tickets)

    def _persists(self, seen: Seen, login: Login) -> bool:
        # Most servers ask for a ticket with each request; where they do not, they say so.
        if login.optimistic:
            return seen.values(b"persistent-auth") == [b"true"]
        return super()._persists(seen, login)
