"""NTLM (MS-NTHT): NTLMv2, bound to the TLS connection where there is one."""

from broker.credentials.flow import Call
from broker.credentials.windows_account import Account
from broker.credentials.windows_handshake import WindowsInjector
from broker.credentials.windows_login import Login, NtlmLogin
from broker.credentials.windows_peer import peer


class NtlmInjector(WindowsInjector):
    """Logs a user in on each connection."""

    type = "ntlm"
    scheme = b"NTLM"

    def _login(self, call: Call, account: Account) -> Login:
        return NtlmLogin(account, peer(call, "", channel_binding=self._channel_binding), self._workstation)
