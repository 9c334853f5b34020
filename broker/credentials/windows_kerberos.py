"""Negotiate: Kerberos and NTLM, wrapped in SPNEGO (RFC 4178, RFC 4559, MS-SPNG)."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

import spnego
from spnego import ContextProxy, ContextReq, Password
from spnego._context import GSSMech
from spnego._negotiate import NegotiateProxy

from broker.credentials.windows_account import Account
from broker.credentials.windows_login import ContextLogin, Peer, ntlm_context

AVAILABLE: Final = find_spec("gssapi") is not None and find_spec("krb5") is not None
"""Whether Kerberos can be spoken here (the extra `kerberos`)."""

_REST_S: Final = 60.0


class Tickets:
    """The Kerberos tickets of one credential: got with its password once, and used while they last.

    Used from several threads at once; at worst a ticket is got twice.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: tuple[object, ContextProxy] | None = None
        self._resting: tuple[object, float] | None = None

    def context(self, account: Account, peer: Peer) -> tuple[ContextProxy | None, bool]:
        """A new context, and whether its ticket was here; None where Kerberos cannot be had for now."""
        key = (account, peer.service, peer.host)
        kept, resting = self._kept, self._resting
        if kept is not None and kept[0] == key:
            return kept[1].new_context(), True
        # A KDC that does not answer, or a password that it refuses: it is not asked for each connection.
        if resting is not None and resting[0] == key and self._clock() < resting[1]:
            return None, False
        try:
            made = _kerberos(account, peer)
        except Exception:
            # No realm, no KDC, no such principal: what is left is NTLM.
            self.drop(account, peer)
            return None, False
        self._kept = (key, made)
        return made.new_context(), False

    def drop(self, account: Account, peer: Peer, *, rest: bool = True) -> None:
        """The ticket is of no use."""
        self._kept = None
        self._resting = ((account, peer.service, peer.host), self._clock() + _REST_S) if rest else None


def _kerberos(account: Account, peer: Peer) -> ContextProxy:
    return spnego.client(
        Password(account.for_kerberos, account.password), hostname=peer.host, service=peer.service, protocol="kerberos"
    )


class NegotiateLogin(ContextLogin):
    """SPNEGO with Kerberos first, where there is a ticket, and NTLM."""

    def __init__(self, account: Account, peer: Peer, workstation: str, tickets: Tickets) -> None:
        super().__init__()
        self._account = account
        self._peer = peer
        self._workstation = workstation
        self._tickets = tickets

    def _open(self) -> bytes:
        kept, token = self._attempt()
        if kept and not self.optimistic:
            # The ticket was good once: it ran out, or the service has another key by now.
            self._tickets.drop(self._account, self._peer, rest=False)
            kept, token = self._attempt()
        return token

    def _attempt(self) -> tuple[bool, bytes]:
        kerberos, kept = self._tickets.context(self._account, self._peer) if AVAILABLE else (None, False)
        context = self._context = _negotiate(self._peer, kerberos, ntlm_context(*self._for_ntlm))
        # NTLM has the bindings already; the ticket is shared by connections, which each have their own.
        token = context.step(channel_bindings=self._peer.bindings) or b""
        self.optimistic = context.negotiated_protocol == "kerberos"
        if kerberos is not None and not self.optimistic:
            self._tickets.drop(self._account, self._peer)
        return kept, token

    @property
    def _for_ntlm(self) -> tuple[Account, Peer, str]:
        return self._account, self._peer, self._workstation


def _negotiate(peer: Peer, kerberos: ContextProxy | None, ntlm: ContextProxy) -> NegotiateProxy:
    contexts: dict[GSSMech, Any] = {} if kerberos is None else {GSSMech.kerberos: kerberos}
    contexts[GSSMech.ntlm] = ntlm
    return NegotiateProxy(
        hostname=peer.host,
        service=peer.service,
        channel_bindings=peer.bindings,
        context_req=ContextReq.default,
        _negotiate_contexts=contexts,
    )
